complete -c culex-bench -l kind -d 'For storm: what all clients do at once' -r -f -a "reconnect\t'Lose their connections without a word, and come back'
will\t'Die, so that the broker publishes their wills to one subscriber'
retain\t'Subscribe to --messages retained topics (1,000)'
subscribe\t'Send --messages SUBSCRIBE packets (one each)'
resume\t'Come back to their sessions, in which --messages messages wait (100 each)'"
complete -c culex-bench -s h -l host -d 'Host of the broker' -r
complete -c culex-bench -s p -l port -d 'Port of the broker; 8883 with TLS, else 1883' -r
complete -c culex-bench -l url -d 'The broker in one word: mqtt://user:password@host:port, or with mqtts, ws or wss' -r
complete -c culex-bench -l ws-path -d 'What the WebSocket is opened at' -r
complete -c culex-bench -l unix -d 'Connect through this unix socket' -r -F
complete -c culex-bench -s A -l bind -d 'Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas' -r
complete -c culex-bench -l sndbuf -d 'Size of each socket\'s send buffer' -r
complete -c culex-bench -l rcvbuf -d 'Size of each socket\'s receive buffer' -r
complete -c culex-bench -l connect-timeout -d 'How long one connection may take to CONNACK' -r
complete -c culex-bench -l reconnect -d 'Make a lost connection again after this pause, or as 1s..30s after pauses that grow from one to the other, each shortened by up to half by chance; else it stays away' -r
complete -c culex-bench -l cafile -d 'File with trusted CA certificates; the system\'s are trusted by default' -r -F
complete -c culex-bench -l capath -d 'Directory with trusted CA certificates' -r -F
complete -c culex-bench -l cert -d 'File with each client\'s certificate; a template: certs/%i.pem' -r
complete -c culex-bench -l key -d 'File with each client\'s private key; a template' -r
complete -c culex-bench -l psk -d 'Pre-shared key in hexadecimal, in place of certificates; a template (in builds with the feature psk)' -r
complete -c culex-bench -l psk-identity -d 'Under which name the broker knows the key; a template' -r
complete -c culex-bench -l ciphers -d 'Ciphers to offer' -r
complete -c culex-bench -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r -f -a "tlsv1.2\t''
tlsv1.3\t''"
complete -c culex-bench -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex-bench -l id -d 'Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first' -r
complete -c culex-bench -l id-prefix -d 'Client Identifiers made of this prefix and the index' -r
complete -c culex-bench -s u -l username -d 'User Names; a template' -r
complete -c culex-bench -s P -l pw -d 'Passwords; a template' -r
complete -c culex-bench -l credentials -d 'Take identifiers, names, passwords and certificates from this file: a line of id,user,password,cert,key a client' -r -F
complete -c culex-bench -s V -l protocol-version -d 'Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)' -r
complete -c culex-bench -s k -l keepalive -d 'Keep Alive in seconds; 0 turns it off' -r
complete -c culex-bench -s x -d 'Session Expiry Interval in seconds (MQTT 5)' -r
complete -c culex-bench -l will-topic -d 'Topic of each client\'s Will Message; a template' -r
complete -c culex-bench -l will-payload -d 'Payload of the will; a template' -r
complete -c culex-bench -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-bench -s D -l property -d 'Add a property to a packet (MQTT 5): packet (connect, will, publish, subscribe, unsubscribe, disconnect), property, value; user-property takes a name and a value' -r
complete -c culex-bench -l groups -d 'Put clients into this many groups, the number of which is %g' -r
complete -c culex-bench -l start-index -d 'Index of the first client' -r
complete -c culex-bench -s c -l clients -d 'Publishers (in sub: subscribers, in conn: connections, in rr: requesters, in reflect: responders)' -r
complete -c culex-bench -l rate -d 'Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow, which is a closed loop' -r
complete -c culex-bench -l rate-per-client -d 'Messages a second of each publisher' -r
complete -c culex-bench -s I -l message-interval -d 'Milliseconds between two messages of each publisher' -r
complete -c culex-bench -l ramp -d 'Total rate that rises evenly and then stays: 0..100k/60s' -r
complete -c culex-bench -l stages -d 'Total rates one after the other: 10s@1k,30s@10k' -r
complete -c culex-bench -l arrival -d 'How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate' -r
complete -c culex-bench -l max-lag -d 'Drop messages that could not be sent within this time, and count them, instead of letting them wait' -r
complete -c culex-bench -s W -l duration -d 'Measured time; in conn the time for which connections stay' -r
complete -c culex-bench -s L -l messages -d 'Total number of messages, which ends the load before its time does; in storms what they are made of' -r
complete -c culex-bench -l warmup -d 'Load before the measured time, counted but not in the result; 1s by default, none with --messages. auto waits until throughput and median latency have been steady for ten seconds, at most a minute' -r
complete -c culex-bench -l repeat -d 'Run this many times, and tell how the runs differ' -r
complete -c culex-bench -l drain -d 'How long nothing may arrive at the end before what is missing is lost; in sub how long to go on reading' -r
complete -c culex-bench -s R -l connect-rate -d 'Connections a second, also fractions' -r
complete -c culex-bench -s i -l connect-interval -d 'Milliseconds between two connections' -r
complete -c culex-bench -s t -l topic -d 'Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign' -r
complete -c culex-bench -s q -l qos -d 'Quality of Service of the messages; in storm --kind resume at least 1' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-bench -s s -l size -d 'Size of the payload: 16, 1k, 16..512' -r
complete -c culex-bench -l compressible -d 'Share of the payload that compresses away, in percent' -r
complete -c culex-bench -s m -l message -d 'Payload; a template' -r
complete -c culex-bench -s f -l file -d 'Payload from this file' -r -F
complete -c culex-bench -l lines -d 'Payloads from the lines of this file, round and round' -r -F
complete -c culex-bench -l template -d 'Payload made for each message from this file: {{seq}} {{ts_ms}} {{ts_ns}} {{rand a b}} {{gauss m s}} {{uuid}} {{client}} {{user}} {{index}} {{group}} {{host}}' -r -F
complete -c culex-bench -l stamp -d 'How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off' -r -f -a "auto\t'What suits the payload'
full\t'24 bytes'
seq\t'8 bytes'
property\t'A User Property'
off\t'Nothing'"
complete -c culex-bench -s w -l window -l inflight -d 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes' -r
complete -c culex-bench -l subs -d 'Subscribers in run, responders in rr; as many as publishers by default' -r
complete -c culex-bench -l filter -d 'Filter of each subscriber; a template, the topic\'s by default; repeat it for several' -r
complete -c culex-bench -l sub-qos -d 'Quality of Service of the subscriptions; that of the messages by default' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-bench -l sub-id -d 'Give each subscription this Subscription Identifier (MQTT 5)' -r
complete -c culex-bench -l share -d 'Subscribe as members of this shared subscription; a template' -r
complete -c culex-bench -l slow-consumer -d 'Let each subscriber, or as 10/s:3 the first three, read no more messages a second than this while the load lasts; --rcvbuf 4k lets the broker feel it sooner' -r
complete -c culex-bench -l fan-out -d 'One publisher whose messages go to this many subscribers' -r
complete -c culex-bench -l fan-in -d 'All publishers\' messages go to this many subscribers' -r
complete -c culex-bench -l engine -d 'What makes the load: own event loops, or the client library rumqttc (run, pub and sub over TCP and TLS)' -r -f -a "own\t'Our own event loops'
rumqttc\t'The client library rumqttc: a task or two a client'"
complete -c culex-bench -l threads -d 'Event loops, each a thread; as many as there are processors by default' -r
complete -c culex-bench -l segment -d 'Be part i of n of the load, as 0/3; also from JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX or SLURM_PROCID, with BENCH_SEGMENTS or SLURM_NTASKS' -r
complete -c culex-bench -l start-at -d 'Begin the load then: +30s, or a time such as 2026-11-22T20:00:00Z' -r
complete -c culex-bench -l gate -d 'Begin the load when a message comes on this topic, or is retained there: one message starts all segments' -r
complete -c culex-bench -l prometheus -d 'Serve what is counted for Prometheus while it runs, on this port or address' -r
complete -c culex-bench -l calibration -d 'Say what share of this machine\'s ceiling was used: what calibrate wrote with --json or --out' -r -F
complete -c culex-bench -l allow -d 'Do not count these against the run: loss, duplicate, reorder' -r -f -a "loss\t''
duplicate\t''
reorder\t''"
complete -c culex-bench -l progress -d 'How the run shows where it stands: auto (redrawn on a terminal, a line a second elsewhere), plain, none' -r -f -a "auto\t'Redrawn on a terminal, a line a second elsewhere'
plain\t'A line a second'
none\t'Nothing'"
complete -c culex-bench -l json -d 'Write the result as JSON (schema bench/1); - is the standard output' -r -F
complete -c culex-bench -l out -d 'Write the result with its seconds and streams, for merge, report and compare' -r -F
complete -c culex-bench -l csv -d 'Write each second as a line of CSV' -r -F
complete -c culex-bench -l hdr-log -d 'Write the latencies of each second as an HdrHistogram log' -r -F
complete -c culex-bench -l html -d 'Write one self-contained page with curves' -r -F
complete -c culex-bench -l fail -d 'Fail (status 4) unless this holds: \'p99<50ms,loss=0\', \'rate>=0.99*asked\', \'connect.p99<1s\'' -r
complete -c culex-bench -l baseline -d 'Results of earlier runs to compare with; once for each file' -r -F
complete -c culex-bench -l fail-regress -d 'Fail (status 4) when a figure is worse than the baseline\'s by more than this: \'p99>10%,rate>5%\'' -r
complete -c culex-bench -l ws -d 'Speak WebSocket'
complete -c culex-bench -l embedded -d 'Run against a broker of our own, in this process, started for the run'
complete -c culex-bench -l no-nodelay -d 'Let the kernel gather small packets (Nagle\'s algorithm)'
complete -c culex-bench -l no-quickack -d 'Let the kernel delay acknowledgements, as ordinary clients do'
complete -c culex-bench -l tls -d 'Speak TLS; so do the other options of this group'
complete -c culex-bench -l insecure -d 'Do not check that the certificate names the host'
complete -c culex-bench -l tls-resume -d 'Let each client resume its TLS session when it connects again; else every handshake is a full one'
complete -c culex-bench -l no-clean -d 'Keep sessions (Clean Start 0)'
complete -c culex-bench -l will-retain -d 'Let the broker retain the will'
complete -c culex-bench -l closed -d 'Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)'
complete -c culex-bench -l steady -d 'Fail (status 5) when throughput or median latency did not hold still in the last ten measured seconds'
complete -c culex-bench -s r -l retain -d 'Let the broker retain the messages'
complete -c culex-bench -l no-retained -d 'Pass over messages that were retained before'
complete -c culex-bench -l unsubscribe -d 'Unsubscribe at the end'
complete -c culex-bench -l pin -d 'Keep each thread to a processor of its own (Linux)'
complete -c culex-bench -l sync-clocks -d 'Compare this clock with that of the other side over the broker, so that sub, or segments that hear each other, tell latencies from host to host, with a bound of their error; both sides need it'
complete -c culex-bench -l strict -d 'Fail (status 5) when the generator was the limit, or the load was not steady'
complete -c culex-bench -l check-sys -d 'Compare with the broker\'s own counters ($SYS); waits for them before and after the run, on mosquitto up to ten seconds each'
complete -c culex-bench -l quiet -d 'Print no progress and no preflight'
complete -c culex-bench -l help -d 'Print this help'
complete -c culex-bench -l version -d 'Print the version'
complete -c culex-bench -l no-color -d 'Print without colours'
