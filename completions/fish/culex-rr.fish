complete -c culex-rr -s e -d 'Topic on which the reply is expected' -r
complete -c culex-rr -s C -d 'Wait for this many replies to each request' -r
complete -c culex-rr -l repeat -d 'Send the request this many times, each when the one before has its replies' -r
complete -c culex-rr -s t -l topic -d 'Topic to publish to' -r
complete -c culex-rr -s m -l message -d 'Payload' -r
complete -c culex-rr -s f -l file -d 'Send a file as one message' -r
complete -c culex-rr -s q -l qos -d 'Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-rr -l retain-handling -d 'When the broker sends retained messages (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c culex-rr -s W -d 'End after this many seconds, with status 27' -r
complete -c culex-rr -s F -d 'Print by this format: %t topic, %p payload, %j JSON, ...' -r
complete -c culex-rr -l color -d 'Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c culex-rr -s h -l host -d 'Host of the broker' -r
complete -c culex-rr -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex-rr -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex-rr -l unix -d 'Connect through this unix socket' -r
complete -c culex-rr -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex-rr -s A -d 'Local address to connect from' -r
complete -c culex-rr -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex-rr -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex-rr -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex-rr -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex-rr -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex-rr -s u -l username -d 'User Name' -r
complete -c culex-rr -s P -l pw -d 'Password' -r
complete -c culex-rr -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex-rr -s M -d 'Most messages in flight at once' -r
complete -c culex-rr -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex-rr -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex-rr -l will-payload -d 'Payload of the will' -r
complete -c culex-rr -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-rr -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex-rr -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex-rr -l cert -d 'File with the client certificate' -r -F
complete -c culex-rr -l key -d 'File with the client\'s private key' -r -F
complete -c culex-rr -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex-rr -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex-rr -l ciphers -d 'Ciphers to offer' -r
complete -c culex-rr -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex-rr -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex-rr -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex-rr -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex-rr -l tls-engine -d 'OpenSSL engine' -r
complete -c culex-rr -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex-rr -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex-rr -s o -d 'Read options from this file, one a line, in place of the default file' -r
complete -c culex-rr -l latency -d 'Print how long the reply took; with --repeat the percentiles of all replies, at the end'
complete -c culex-rr -s n -l null-message -d 'Send a message without payload'
complete -c culex-rr -s s -l stdin-file -d 'Send all of the standard input as one message'
complete -c culex-rr -s R -d 'Leave out retained messages'
complete -c culex-rr -l retain-as-published -d 'Keep the RETAIN flag as it was published (MQTT 5)'
complete -c culex-rr -s v -l verbose -d 'Print the topic before the payload'
complete -c culex-rr -s N -d 'Print no line end after a message'
complete -c culex-rr -l json -d 'Print each message as one line of JSON with everything; `pub --json-lines` sends it again'
complete -c culex-rr -l pretty -d 'Indent JSON'
complete -c culex-rr -l ws -d 'Use WebSocket'
complete -c culex-rr -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex-rr -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex-rr -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex-rr -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex-rr -l will-retain -d 'Let the broker retain the will'
complete -c culex-rr -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex-rr -l insecure -d 'Do not check that the certificate names the host'
complete -c culex-rr -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex-rr -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex-rr -l quiet -d 'Print no error at run time'
complete -c culex-rr -l strict -d 'Speak exactly as mosquitto\'s programs do; must be the first argument'
complete -c culex-rr -l help -d 'Print this help'
complete -c culex-rr -l version -d 'Print the version'
