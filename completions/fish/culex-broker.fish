complete -c culex-broker -s c -l config-file -d 'Configuration file, in mosquitto.conf\'s syntax' -r -F
complete -c culex-broker -s p -l port -d 'Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it' -r
complete -c culex-broker -l ws-port -d 'Listen for WebSocket on this port of the loopback addresses too; 0 takes a free one' -r
complete -c culex-broker -l tls-port -d 'The port of `--tls-ephemeral`' -r
complete -c culex-broker -l user -d 'Let in this user; may be repeated. Without a configuration file, nobody else is let in' -r
complete -c culex-broker -l acl -d 'A line of an ACL file, such as `user bob` or `topic read news/#`; may be repeated' -r
complete -c culex-broker -l max-connections -d 'Connections of one listener at most' -r
complete -c culex-broker -l max-inflight-messages -d 'QoS 1 and 2 messages in flight to one client, told as Receive Maximum; 0 for 65535' -r
complete -c culex-broker -l max-queued-messages -d 'Messages that wait for one client beyond those in flight; 0 for no limit' -r
complete -c culex-broker -l max-packet-size -d 'Longest packet that is accepted, in bytes; 0 for no limit' -r
complete -c culex-broker -l max-keepalive -d 'Longest Keep Alive, in seconds; 0 for no limit' -r
complete -c culex-broker -l max-qos -d 'Highest QoS that is accepted' -r
complete -c culex-broker -l response-information -d 'Response Information for MQTT 5 clients that ask for it' -r
complete -c culex-broker -l log-format -d 'Form of the log\'s lines' -r -f -a "text\t'mosquitto\'s lines'
json\t'One JSON object a line: time, type, message, and where it concerns one, connection and client'"
complete -c culex-broker -l tls-keylog -d 'Append the secrets of TLS connections to this file, in the form that Wireshark reads' -r -F
complete -c culex-broker -l print-env -d 'Print where the broker is found as settings of the environment, once it accepts' -r -f -a "sh\t'`eval "$(...)"` in a POSIX shell'
fish\t'`eval` or `source` in fish'
json\t'One JSON object'
github\t'To be appended to `$GITHUB_ENV`'"
complete -c culex-broker -l port-file -d 'Write the port to this file once it accepts' -r -F
complete -c culex-broker -l ready-fd -d 'Write the port to this descriptor once it accepts, and close it' -r
complete -c culex-broker -l record -d 'Write everything that happens to this file, one JSON object a line' -r -F
complete -c culex-broker -l pcap -d 'Write the packets of all clients to this file, as a capture for Wireshark' -r -F
complete -c culex-broker -l junit -d 'Write what came of the command and of --assert as JUnit XML' -r -F
complete -c culex-broker -l assert -d 'What must be so at the end; else the status is 1. May be repeated' -r -f -a "no-protocol-errors\t'No client has broken the protocol'
retained-empty\t'Nothing is retained'
all-acknowledged\t'No client owes an acknowledgement'"
complete -c culex-broker -l control -d 'Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command' -r
complete -c culex-broker -s d -l daemon -d 'Go to the background; the command returns when the broker accepts, or with its error'
complete -c culex-broker -s v -l verbose -d 'Log everything, whatever the configuration says'
complete -c culex-broker -s q -l quiet -d 'Log nothing, whatever the configuration says'
complete -c culex-broker -l test-config -d 'Read the configuration, say whether it is right, and end'
complete -c culex-broker -l tls-ephemeral -d 'Listen for TLS too, on a free port of the loopback addresses, with a certificate that is made for this run'
complete -c culex-broker -l reason-strings -d 'Tell MQTT 5 clients in words why something was refused'
complete -c culex-broker -l until-eof -d 'End when the standard input does'
complete -c culex-broker -l exec -d 'Run the command behind `--` with a broker of its own on a free port, and end with its status'
complete -c culex-broker -s h -l help -d 'Print help (see more with \'--help\')'
