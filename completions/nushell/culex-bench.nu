module completions {

  def "nu-complete culex-bench mode" [] {
    [ "run" "pub" "sub" "conn" "rr" "reflect" "find" "storm" "calibrate" ]
  }

  def "nu-complete culex-bench kind" [] {
    [ "reconnect" "will" "retain" "subscribe" "resume" ]
  }

  def "nu-complete culex-bench tls_version" [] {
    [ "tlsv1.2" "tlsv1.3" ]
  }

  def "nu-complete culex-bench will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-bench qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-bench stamp" [] {
    [ "auto" "full" "seq" "property" "off" ]
  }

  def "nu-complete culex-bench sub_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-bench engine" [] {
    [ "own" "rumqttc" ]
  }

  def "nu-complete culex-bench allow" [] {
    [ "loss" "duplicate" "reorder" ]
  }

  def "nu-complete culex-bench progress" [] {
    [ "auto" "plain" "none" ]
  }

  # Load any MQTT broker and measure it
  export extern culex-bench [
    --kind: string@"nu-complete culex-bench kind" # For storm: what all clients do at once
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 with TLS, else 1883
    --url: string             # The broker in one word: mqtt://user:password@host:port, or with mqtts, ws or wss
    --ws                      # Speak WebSocket
    --ws-path: string         # What the WebSocket is opened at
    --unix: path              # Connect through this unix socket
    --embedded                # Run against a broker of our own, in this process, started for the run
    --bind(-A): string        # Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas
    --no-nodelay              # Let the kernel gather small packets (Nagle's algorithm)
    --no-quickack             # Let the kernel delay acknowledgements, as ordinary clients do
    --sndbuf: string          # Size of each socket's send buffer
    --rcvbuf: string          # Size of each socket's receive buffer
    --connect-timeout: string # How long one connection may take to CONNACK
    --reconnect: string       # Make a lost connection again after this pause, or as 1s..30s after pauses that grow from one to the other, each shortened by up to half by chance; else it stays away
    --tls                     # Speak TLS; so do the other options of this group
    --cafile: path            # File with trusted CA certificates; the system's are trusted by default
    --capath: path            # Directory with trusted CA certificates
    --cert: string            # File with each client's certificate; a template: certs/%i.pem
    --key: string             # File with each client's private key; a template
    --psk: string             # Pre-shared key in hexadecimal, in place of certificates; a template (in builds with the feature psk)
    --psk-identity: string    # Under which name the broker knows the key; a template
    --insecure                # Do not check that the certificate names the host
    --ciphers: string         # Ciphers to offer
    --tls-version: string@"nu-complete culex-bench tls_version" # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --tls-resume              # Let each client resume its TLS session when it connects again; else every handshake is a full one
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --id: string              # Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first
    --id-prefix: string       # Client Identifiers made of this prefix and the index
    --username(-u): string    # User Names; a template
    --pw(-P): string          # Passwords; a template
    --credentials: path       # Take identifiers, names, passwords and certificates from this file: a line of id,user,password,cert,key a client
    --protocol-version(-V): string # Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)
    --keepalive(-k): string   # Keep Alive in seconds; 0 turns it off
    --no-clean                # Keep sessions (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5)
    --will-topic: string      # Topic of each client's Will Message; a template
    --will-payload: string    # Payload of the will; a template
    --will-qos: string@"nu-complete culex-bench will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --property(-D): string    # Add a property to a packet (MQTT 5): packet (connect, will, publish, subscribe, unsubscribe, disconnect), property, value; user-property takes a name and a value
    --groups: string          # Put clients into this many groups, the number of which is %g
    --start-index: string     # Index of the first client
    --clients(-c): string     # Publishers (in sub: subscribers, in conn: connections, in rr: requesters, in reflect: responders)
    --rate: string            # Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow, which is a closed loop
    --rate-per-client: string # Messages a second of each publisher
    --message-interval(-I): string # Milliseconds between two messages of each publisher
    --ramp: string            # Total rate that rises evenly and then stays: 0..100k/60s
    --stages: string          # Total rates one after the other: 10s@1k,30s@10k
    --closed                  # Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)
    --arrival: string         # How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate
    --max-lag: string         # Drop messages that could not be sent within this time, and count them, instead of letting them wait
    --duration(-W): string    # Measured time; in conn the time for which connections stay
    --messages(-L): string    # Total number of messages, which ends the load before its time does; in storms what they are made of
    --warmup: string          # Load before the measured time, counted but not in the result; 1s by default, none with --messages. auto waits until throughput and median latency have been steady for ten seconds, at most a minute
    --steady                  # Fail (status 5) when throughput or median latency did not hold still in the last ten measured seconds
    --repeat: string          # Run this many times, and tell how the runs differ
    --drain: string           # How long nothing may arrive at the end before what is missing is lost; in sub how long to go on reading
    --connect-rate(-R): string # Connections a second, also fractions
    --connect-interval(-i): string # Milliseconds between two connections
    --topic(-t): string       # Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign
    --qos(-q): string@"nu-complete culex-bench qos" # Quality of Service of the messages; in storm --kind resume at least 1
    --retain(-r)              # Let the broker retain the messages
    --size(-s): string        # Size of the payload: 16, 1k, 16..512
    --compressible: string    # Share of the payload that compresses away, in percent
    --message(-m): string     # Payload; a template
    --file(-f): path          # Payload from this file
    --lines: path             # Payloads from the lines of this file, round and round
    --template: path          # Payload made for each message from this file: {{seq}} {{ts_ms}} {{ts_ns}} {{rand a b}} {{gauss m s}} {{uuid}} {{client}} {{user}} {{index}} {{group}} {{host}}
    --stamp: string@"nu-complete culex-bench stamp" # How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off
    --window(-w): string      # Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes
    --inflight: string        # Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes
    --subs: string            # Subscribers in run, responders in rr; as many as publishers by default
    --filter: string          # Filter of each subscriber; a template, the topic's by default; repeat it for several
    --sub-qos: string@"nu-complete culex-bench sub_qos" # Quality of Service of the subscriptions; that of the messages by default
    --sub-id: string          # Give each subscription this Subscription Identifier (MQTT 5)
    --share: string           # Subscribe as members of this shared subscription; a template
    --slow-consumer: string   # Let each subscriber, or as 10/s:3 the first three, read no more messages a second than this while the load lasts; --rcvbuf 4k lets the broker feel it sooner
    --no-retained             # Pass over messages that were retained before
    --unsubscribe             # Unsubscribe at the end
    --fan-out: string         # One publisher whose messages go to this many subscribers
    --fan-in: string          # All publishers' messages go to this many subscribers
    --engine: string@"nu-complete culex-bench engine" # What makes the load: own event loops, or the client library rumqttc (run, pub and sub over TCP and TLS)
    --threads: string         # Event loops, each a thread; as many as there are processors by default
    --pin                     # Keep each thread to a processor of its own (Linux)
    --segment: string         # Be part i of n of the load, as 0/3; also from JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX or SLURM_PROCID, with BENCH_SEGMENTS or SLURM_NTASKS
    --start-at: string        # Begin the load then: +30s, or a time such as 2026-11-22T20:00:00Z
    --gate: string            # Begin the load when a message comes on this topic, or is retained there: one message starts all segments
    --sync-clocks             # Compare this clock with that of the other side over the broker, so that sub, or segments that hear each other, tell latencies from host to host, with a bound of their error; both sides need it
    --prometheus: string      # Serve what is counted for Prometheus while it runs, on this port or address
    --calibration: path       # Say what share of this machine's ceiling was used: what calibrate wrote with --json or --out
    --strict                  # Fail (status 5) when the generator was the limit, or the load was not steady
    --check-sys               # Compare with the broker's own counters ($SYS); waits for them before and after the run, on mosquitto up to ten seconds each
    --allow: string@"nu-complete culex-bench allow" # Do not count these against the run: loss, duplicate, reorder
    --progress: string@"nu-complete culex-bench progress" # How the run shows where it stands: auto (redrawn on a terminal, a line a second elsewhere), plain, none
    --quiet                   # Print no progress and no preflight
    --help                    # Print this help
    --version                 # Print the version
    --json: path              # Write the result as JSON (schema bench/1); - is the standard output
    --out: path               # Write the result with its seconds and streams, for merge, report and compare
    --csv: path               # Write each second as a line of CSV
    --hdr-log: path           # Write the latencies of each second as an HdrHistogram log
    --html: path              # Write one self-contained page with curves
    --no-color                # Print without colours
    --fail: string            # Fail (status 4) unless this holds: 'p99<50ms,loss=0', 'rate>=0.99*asked', 'connect.p99<1s'
    --baseline: path          # Results of earlier runs to compare with; once for each file
    --fail-regress: string    # Fail (status 4) when a figure is worse than the baseline's by more than this: 'p99>10%,rate>5%'
    mode?: string@"nu-complete culex-bench mode" # What to do
    condition?: string        # For find: the condition
  ]

}

export use completions *
