complete -c culex-record -s o -l output -d 'Write the lines to this file, which must not exist yet; - is the standard output' -r -F
complete -c culex-record -s t -l topic -d 'Topic filter to subscribe to; may be repeated' -r
complete -c culex-record -s T -l filter-out -d 'Topic filter of messages to leave out; may be repeated' -r
complete -c culex-record -l retain-handling -d 'When the broker sends retained messages (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c culex-record -l ready-fd -d 'Write a line to this descriptor once the broker has answered the subscription, and close it' -r
complete -c culex-record -l ready-file -d 'Make this file once the broker has answered the subscription' -r -F
complete -c culex-record -l after-suback -d 'Run this shell command once the broker has answered the subscription; if it fails, end with its status' -r
complete -c culex-record -s q -l qos -d 'Highest Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-record -s C -d 'End after this many messages' -r
complete -c culex-record -s W -d 'End after this many seconds; with -C, and before them, with status 27' -r
complete -c culex-record -s h -l host -d 'Host of the broker' -r
complete -c culex-record -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex-record -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex-record -l unix -d 'Connect through this unix socket' -r
complete -c culex-record -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex-record -s A -d 'Local address to connect from' -r
complete -c culex-record -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex-record -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex-record -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex-record -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex-record -s u -l username -d 'User Name' -r
complete -c culex-record -s P -l pw -d 'Password' -r
complete -c culex-record -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex-record -s M -d 'Most messages in flight at once' -r
complete -c culex-record -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex-record -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex-record -l will-payload -d 'Payload of the will' -r
complete -c culex-record -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-record -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex-record -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex-record -l cert -d 'File with the client certificate' -r -F
complete -c culex-record -l key -d 'File with the client\'s private key' -r -F
complete -c culex-record -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex-record -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex-record -l ciphers -d 'Ciphers to offer' -r
complete -c culex-record -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex-record -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex-record -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex-record -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex-record -l tls-engine -d 'OpenSSL engine' -r
complete -c culex-record -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex-record -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex-record -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex-record -l append -d 'Go on at the end of the file, if it exists'
complete -c culex-record -l force -d 'Write over the file, if it exists'
complete -c culex-record -s R -d 'Leave out what is retained when the recording begins'
complete -c culex-record -l ws -d 'Use WebSocket'
complete -c culex-record -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex-record -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex-record -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex-record -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex-record -l will-retain -d 'Let the broker retain the will'
complete -c culex-record -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex-record -l insecure -d 'Do not check that the certificate names the host'
complete -c culex-record -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex-record -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex-record -l quiet -d 'Print no error at run time'
complete -c culex-record -l help -d 'Print this help'
complete -c culex-record -l version -d 'Print the version'
