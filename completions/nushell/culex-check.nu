module completions {

  # Test devices against a broker: what they must publish, what they must not, and what they do when things go wrong
  export extern culex-check [
    --help(-h)                # Print help
  ]

  def "nu-complete culex-check run color" [] {
    [ "auto" "always" "never" ]
  }

  # Run scenarios from YAML or JSON files, or from all such files of a directory
  export extern "culex-check run" [
    --report(-r): string      # Write a report, to a file or to the standard output; may be repeated. human is the default
    --verbose(-v)             # Tell of each step of scenarios that passed, too
    --artifacts: directory    # Keep the journal, the packets, the timeline and the seed of each scenario that did not pass in this directory
    --var: string             # Give a variable a value, before those of the files; may be repeated
    --broker: string          # Run on the broker at this URL instead of those that the files name
    --filter(-f): string      # Run only scenarios with this in their name, file or tags; may be repeated
    --shard: string           # Run only each n-th scenario, beginning with the i-th
    --list                    # Name the scenarios and end
    --dry-run                 # Read the files, say whether they are right, and end
    --jobs(-j): string        # How many scenarios run at once; 0 is one a processor
    --repeat: string          # Run each scenario so often
    --until-fail              # With --repeat: end with the first that does not pass
    --bail                    # End with the first that does not pass; what runs already is run to its end
    --seed: string            # Seed of faults and of ${random}; another one in each run by default
    --timeout: string         # How long all of it may take; the status is 124 then
    --watch(-w)               # Run again whenever one of the files changes, until interrupted
    --color: string@"nu-complete culex-check run color" # When to use colours
    --help(-h)                # Print help (see more with '--help')
    ...files: path            # Scenario files, or directories of them
  ]

  def "nu-complete culex-check expect retain" [] {
    [ "true" "false" ]
  }

  # Wait for a message; with a command, which is started once the subscription stands
  export extern "culex-check expect" [
    --topic(-t): string       # Topic Filter; {name} stands for one level
    --text: string            # The payload is this text
    --json: string            # The payload is JSON, and this
    --json-subset: string     # The payload is JSON with at least this in it
    --json-schema: path       # The payload is JSON that this schema allows
    --at: string              # The payload is JSON with this value at this place, such as /power/w=7; may be repeated
    --regex: string           # The payload is a text in which this pattern is found
    --hex: string             # The payload in hexadecimal; ?? is any byte
    --empty                   # The payload is empty
    --decode: string          # How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON
    --qos: string             # Published with this QoS
    --retain: string@"nu-complete culex-check expect retain" # Published with this RETAIN flag
    --from: string            # Published by this client, where * and ? stand for characters; known with --embedded only
    --prop: string            # With this property, such as content-type=text/plain or user.name=value; may be repeated
    --url(-L): string         # The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them
    --host(-h): string        # Host of the broker
    --port(-p): string        # Its port
    --cafile: path            # The authority that its certificate comes from, PEM
    --embedded                # A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT
    --quiet(-q)               # Print nothing unless it fails
    --verbose(-v)             # Print what happened
    --within: string          # How long it is waited for
    --count: string           # At least so many messages
    --help                    # Print help
  ]

  def "nu-complete culex-check none retain" [] {
    [ "true" "false" ]
  }

  # See that no such message comes
  export extern "culex-check none" [
    --topic(-t): string       # Topic Filter; {name} stands for one level
    --text: string            # The payload is this text
    --json: string            # The payload is JSON, and this
    --json-subset: string     # The payload is JSON with at least this in it
    --json-schema: path       # The payload is JSON that this schema allows
    --at: string              # The payload is JSON with this value at this place, such as /power/w=7; may be repeated
    --regex: string           # The payload is a text in which this pattern is found
    --hex: string             # The payload in hexadecimal; ?? is any byte
    --empty                   # The payload is empty
    --decode: string          # How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON
    --qos: string             # Published with this QoS
    --retain: string@"nu-complete culex-check none retain" # Published with this RETAIN flag
    --from: string            # Published by this client, where * and ? stand for characters; known with --embedded only
    --prop: string            # With this property, such as content-type=text/plain or user.name=value; may be repeated
    --url(-L): string         # The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them
    --host(-h): string        # Host of the broker
    --port(-p): string        # Its port
    --cafile: path            # The authority that its certificate comes from, PEM
    --embedded                # A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT
    --quiet(-q)               # Print nothing unless it fails
    --verbose(-v)             # Print what happened
    --for: string             # How long it is looked for; a command is waited for in any case
    --help                    # Print help
  ]

  def "nu-complete culex-check health health_format" [] {
    [ "text" "nagios" "prometheus" "json" ]
  }

  def "nu-complete culex-check health qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-check health will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-check health protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  # See whether a broker takes a message and gives it back, for containers and monitoring
  export extern "culex-check health" [
    --warn: string            # Call it slow when connecting, subscribing and the message's way take longer than this (200ms, 1s)
    --crit: string            # Call it broken when they take longer than this
    --timeout: string         # Give up after this long
    --format: string@"nu-complete culex-check health health_format" # How the outcome is told: text for people, a line with performance data for Nagios and its kin, metrics for a Prometheus text file, a line of JSON
    --topic(-t): string       # Topic of the message; by default one of its own under culex/health/
    --qos(-q): string@"nu-complete culex-check health qos" # Quality of Service of the message, both ways
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex-check health will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --help                    # Print this help
    --version                 # Print the version
    --protocol-version(-V): string@"nu-complete culex-check health protocol_version" # Version of the protocol
  ]

}

export use completions *
