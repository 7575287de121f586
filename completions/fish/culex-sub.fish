complete -c culex-sub -s t -l topic -d 'Topic filter to subscribe to; may be repeated' -r
complete -c culex-sub -s U -l unsubscribe -d 'Topic filter to unsubscribe from; may be repeated' -r
complete -c culex-sub -s T -l filter-out -d 'Topic filter of messages to leave out; may be repeated' -r
complete -c culex-sub -s q -l qos -d 'Highest Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-sub -l backup -d 'With --purge: first write what will be cleared to this new file, as lines that `pub --json-lines` sends again' -r -F
complete -c culex-sub -l retain-handling -d 'When the broker sends retained messages (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c culex-sub -s C -d 'End after this many messages; 0 makes the session and leaves, and messages wait in it' -r
complete -c culex-sub -l until -d 'End with the first message for which this filter in jq\'s language gives anything but false and null: \'.on == true\'; its input is the payload, $message the message as --json prints it' -r
complete -c culex-sub -s W -d 'End after this many seconds, with status 27' -r
complete -c culex-sub -l exec -d 'Run this shell command for each message instead of printing it: the payload is its standard input, MQTT_TOPIC, MQTT_QOS, MQTT_RETAIN and the properties (MQTT_CONTENT_TYPE ...) are in its environment' -r
complete -c culex-sub -l exec-jobs -d 'Commands of --exec that run at once' -r
complete -c culex-sub -l ready-fd -d 'Write a line to this descriptor once the broker has answered the subscription, and close it' -r
complete -c culex-sub -l ready-file -d 'Make this file once the broker has answered the subscription' -r -F
complete -c culex-sub -l after-suback -d 'Run this shell command once the broker has answered the subscription; if it fails, end with its status' -r
complete -c culex-sub -s F -d 'Print by this format: %t topic, %p payload, %j JSON, ...' -r
complete -c culex-sub -l color -d 'Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c culex-sub -l jq -d 'Print what this filter in jq\'s language gives for each message, strings as they are: \'.temperature\'; its input is the payload, $message the message as --json prints it' -r
complete -c culex-sub -l random-filter -d 'Print this share of the messages, chosen at random' -r
complete -c culex-sub -s h -l host -d 'Host of the broker' -r
complete -c culex-sub -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex-sub -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex-sub -l unix -d 'Connect through this unix socket' -r
complete -c culex-sub -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex-sub -s A -d 'Local address to connect from' -r
complete -c culex-sub -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex-sub -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex-sub -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex-sub -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex-sub -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex-sub -s u -l username -d 'User Name' -r
complete -c culex-sub -s P -l pw -d 'Password' -r
complete -c culex-sub -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex-sub -s M -d 'Most messages in flight at once' -r
complete -c culex-sub -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex-sub -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex-sub -l will-payload -d 'Payload of the will' -r
complete -c culex-sub -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-sub -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex-sub -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex-sub -l cert -d 'File with the client certificate' -r -F
complete -c culex-sub -l key -d 'File with the client\'s private key' -r -F
complete -c culex-sub -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex-sub -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex-sub -l ciphers -d 'Ciphers to offer' -r
complete -c culex-sub -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex-sub -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex-sub -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex-sub -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex-sub -l tls-engine -d 'OpenSSL engine' -r
complete -c culex-sub -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex-sub -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex-sub -s o -d 'Read options from this file, one a line, in place of the default file' -r
complete -c culex-sub -s R -d 'Leave out retained messages'
complete -c culex-sub -l retained-only -d 'Print only retained messages and end at the first other one'
complete -c culex-sub -l retained -d 'Print what is retained and end as soon as all of it has come, without a time-out'
complete -c culex-sub -l purge -d 'With --retained: clear all that was printed, when all of it has come'
complete -c culex-sub -l dry-run -d 'With --purge: print what would be cleared, and clear nothing'
complete -c culex-sub -l remove-retained -d 'Clear each retained message that arrives, then print it'
complete -c culex-sub -l retain-as-published -d 'Keep the RETAIN flag as it was published (MQTT 5)'
complete -c culex-sub -s E -d 'End when the broker has answered the subscription'
complete -c culex-sub -s v -l verbose -d 'Print the topic before the payload'
complete -c culex-sub -s N -d 'Print no line end after a message'
complete -c culex-sub -l json -d 'Print each message as one line of JSON with everything; `pub --json-lines` sends it again'
complete -c culex-sub -l pretty -d 'Indent JSON'
complete -c culex-sub -l message-rate -d 'Print how many messages arrive each second, not the messages'
complete -c culex-sub -s w -l watch -d 'Show the latest message of each topic at its own line'
complete -c culex-sub -l ws -d 'Use WebSocket'
complete -c culex-sub -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex-sub -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex-sub -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex-sub -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex-sub -l will-retain -d 'Let the broker retain the will'
complete -c culex-sub -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex-sub -l insecure -d 'Do not check that the certificate names the host'
complete -c culex-sub -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex-sub -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex-sub -l quiet -d 'Print no error at run time'
complete -c culex-sub -l strict -d 'Speak exactly as mosquitto\'s programs do; must be the first argument'
complete -c culex-sub -l help -d 'Print this help'
complete -c culex-sub -l version -d 'Print the version'
