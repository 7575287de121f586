complete -c culex-replay -l speed -d 'Divide the recorded pauses by this number; max leaves them out' -r
complete -c culex-replay -l map -d 'Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first one that fits a topic counts' -r
complete -c culex-replay -l retry -d 'Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged' -r
complete -c culex-replay -s t -l topic -d 'Topic of lines that name none' -r
complete -c culex-replay -s q -l qos -d 'Quality of Service of lines that name none' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-replay -s h -l host -d 'Host of the broker' -r
complete -c culex-replay -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex-replay -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex-replay -l unix -d 'Connect through this unix socket' -r
complete -c culex-replay -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex-replay -s A -d 'Local address to connect from' -r
complete -c culex-replay -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex-replay -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex-replay -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex-replay -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex-replay -s u -l username -d 'User Name' -r
complete -c culex-replay -s P -l pw -d 'Password' -r
complete -c culex-replay -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex-replay -s M -d 'Most messages in flight at once' -r
complete -c culex-replay -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex-replay -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex-replay -l will-payload -d 'Payload of the will' -r
complete -c culex-replay -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-replay -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex-replay -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex-replay -l cert -d 'File with the client certificate' -r -F
complete -c culex-replay -l key -d 'File with the client\'s private key' -r -F
complete -c culex-replay -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex-replay -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex-replay -l ciphers -d 'Ciphers to offer' -r
complete -c culex-replay -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex-replay -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex-replay -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex-replay -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex-replay -l tls-engine -d 'OpenSSL engine' -r
complete -c culex-replay -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex-replay -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex-replay -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex-replay -s r -l retain -d 'Ask the broker to retain messages whose lines do not say'
complete -c culex-replay -l dry-run -d 'Print the packets that would be sent, when each would be and what its bytes mean, and send nothing'
complete -c culex-replay -l ws -d 'Use WebSocket'
complete -c culex-replay -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex-replay -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex-replay -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex-replay -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex-replay -l will-retain -d 'Let the broker retain the will'
complete -c culex-replay -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex-replay -l insecure -d 'Do not check that the certificate names the host'
complete -c culex-replay -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex-replay -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex-replay -l quiet -d 'Print no error at run time'
complete -c culex-replay -l help -d 'Print this help'
complete -c culex-replay -l version -d 'Print the version'
