# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_culex_global_optspecs
    string join \n h/help
end

function __fish_culex_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_culex_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_culex_using_subcommand
    set -l cmd (__fish_culex_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c culex -n "__fish_culex_needs_command" -s h -l help -d 'Print help'
complete -c culex -n "__fish_culex_needs_command" -f -a "pub" -d 'Publish messages to an MQTT broker'
complete -c culex -n "__fish_culex_needs_command" -f -a "sub" -d 'Subscribe to topics of an MQTT broker and print what arrives'
complete -c culex -n "__fish_culex_needs_command" -f -a "rr" -d 'Send a request over an MQTT broker and print the reply'
complete -c culex -n "__fish_culex_needs_command" -f -a "record" -d 'Record messages of an MQTT broker in a file, a line of JSON each'
complete -c culex -n "__fish_culex_needs_command" -f -a "replay" -d 'Publish recorded messages again, with the recorded pauses'
complete -c culex -n "__fish_culex_needs_command" -f -a "broker" -d 'An MQTT 5, 3.1.1 and 3.1 broker for tests'
complete -c culex -n "__fish_culex_needs_command" -f -a "passwd" -d 'Make and edit password files for a broker'
complete -c culex -n "__fish_culex_needs_command" -f -a "bench" -d 'Load any MQTT broker and measure it'
complete -c culex -n "__fish_culex_needs_command" -f -a "check" -d 'Test devices against a broker: what they must publish, what they must not, and what they do when things go wrong'
complete -c culex -n "__fish_culex_needs_command" -f -a "proxy" -d 'Stand in front of a broker: see what goes through, and tamper with it by rules'
complete -c culex -n "__fish_culex_needs_command" -f -a "completions" -d 'Print a shell\'s completion script'
complete -c culex -n "__fish_culex_needs_command" -f -a "man" -d 'Write the man pages of all programs into a directory'
complete -c culex -n "__fish_culex_needs_command" -f -a "links" -d 'Make links called mosquitto_pub, mosquitto_sub and mosquitto_rr to this program in a directory'
complete -c culex -n "__fish_culex_using_subcommand pub" -s t -l topic -d 'Topic to publish to' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s m -l message -d 'Payload' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s f -l file -d 'Send a file as one message' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s q -l qos -d 'Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand pub" -l repeat -d 'Publish this many times' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l repeat-delay -d 'Seconds between two of them; fractions are allowed' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l retry -d 'Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l unix -d 'Connect through this unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s A -d 'Local address to connect from' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex -n "__fish_culex_using_subcommand pub" -s u -l username -d 'User Name' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s P -l pw -d 'Password' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s M -d 'Most messages in flight at once' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l will-payload -d 'Payload of the will' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand pub" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand pub" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand pub" -l cert -d 'File with the client certificate' -r -F
complete -c culex -n "__fish_culex_using_subcommand pub" -l key -d 'File with the client\'s private key' -r -F
complete -c culex -n "__fish_culex_using_subcommand pub" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand pub" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand pub" -s o -d 'Read options from this file, one a line, in place of the default file' -r
complete -c culex -n "__fish_culex_using_subcommand pub" -s l -l stdin-line -d 'Send each line of the standard input as a message'
complete -c culex -n "__fish_culex_using_subcommand pub" -s n -l null-message -d 'Send a message without payload'
complete -c culex -n "__fish_culex_using_subcommand pub" -s s -l stdin-file -d 'Send all of the standard input as one message'
complete -c culex -n "__fish_culex_using_subcommand pub" -l json-lines -d 'Send each line of the standard input, a JSON object as `sub --json` prints it, as a message; it may name topic, qos, retain and properties'
complete -c culex -n "__fish_culex_using_subcommand pub" -l tsv -d 'Send each line of the standard input as a message: topic, tab, payload; an empty topic is that of `-t`'
complete -c culex -n "__fish_culex_using_subcommand pub" -s r -l retain -d 'Let the broker retain the message'
complete -c culex -n "__fish_culex_using_subcommand pub" -l dry-run -d 'Print the packets that would be sent, with what their bytes mean, and send nothing'
complete -c culex -n "__fish_culex_using_subcommand pub" -l ws -d 'Use WebSocket'
complete -c culex -n "__fish_culex_using_subcommand pub" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex -n "__fish_culex_using_subcommand pub" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex -n "__fish_culex_using_subcommand pub" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand pub" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex -n "__fish_culex_using_subcommand pub" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand pub" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex -n "__fish_culex_using_subcommand pub" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand pub" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex -n "__fish_culex_using_subcommand pub" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex -n "__fish_culex_using_subcommand pub" -l quiet -d 'Print no error at run time'
complete -c culex -n "__fish_culex_using_subcommand pub" -l strict -d 'Speak exactly as mosquitto\'s programs do; must be the first argument'
complete -c culex -n "__fish_culex_using_subcommand pub" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand pub" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand sub" -s t -l topic -d 'Topic filter to subscribe to; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s U -l unsubscribe -d 'Topic filter to unsubscribe from; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s T -l filter-out -d 'Topic filter of messages to leave out; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s q -l qos -d 'Highest Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand sub" -l backup -d 'With --purge: first write what will be cleared to this new file, as lines that `pub --json-lines` sends again' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l retain-handling -d 'When the broker sends retained messages (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c culex -n "__fish_culex_using_subcommand sub" -s C -d 'End after this many messages; 0 makes the session and leaves, and messages wait in it' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l until -d 'End with the first message for which this filter in jq\'s language gives anything but false and null: \'.on == true\'; its input is the payload, $message the message as --json prints it' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s W -d 'End after this many seconds, with status 27' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l exec -d 'Run this shell command for each message instead of printing it: the payload is its standard input, MQTT_TOPIC, MQTT_QOS, MQTT_RETAIN and the properties (MQTT_CONTENT_TYPE ...) are in its environment' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l exec-jobs -d 'Commands of --exec that run at once' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l ready-fd -d 'Write a line to this descriptor once the broker has answered the subscription, and close it' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l ready-file -d 'Make this file once the broker has answered the subscription' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l after-suback -d 'Run this shell command once the broker has answered the subscription; if it fails, end with its status' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s F -d 'Print by this format: %t topic, %p payload, %j JSON, ...' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l color -d 'Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c culex -n "__fish_culex_using_subcommand sub" -l jq -d 'Print what this filter in jq\'s language gives for each message, strings as they are: \'.temperature\'; its input is the payload, $message the message as --json prints it' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l random-filter -d 'Print this share of the messages, chosen at random' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l unix -d 'Connect through this unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s A -d 'Local address to connect from' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex -n "__fish_culex_using_subcommand sub" -s u -l username -d 'User Name' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s P -l pw -d 'Password' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s M -d 'Most messages in flight at once' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l will-payload -d 'Payload of the will' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand sub" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l cert -d 'File with the client certificate' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l key -d 'File with the client\'s private key' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand sub" -s o -d 'Read options from this file, one a line, in place of the default file' -r
complete -c culex -n "__fish_culex_using_subcommand sub" -s R -d 'Leave out retained messages'
complete -c culex -n "__fish_culex_using_subcommand sub" -l retained-only -d 'Print only retained messages and end at the first other one'
complete -c culex -n "__fish_culex_using_subcommand sub" -l retained -d 'Print what is retained and end as soon as all of it has come, without a time-out'
complete -c culex -n "__fish_culex_using_subcommand sub" -l purge -d 'With --retained: clear all that was printed, when all of it has come'
complete -c culex -n "__fish_culex_using_subcommand sub" -l dry-run -d 'With --purge: print what would be cleared, and clear nothing'
complete -c culex -n "__fish_culex_using_subcommand sub" -l remove-retained -d 'Clear each retained message that arrives, then print it'
complete -c culex -n "__fish_culex_using_subcommand sub" -l retain-as-published -d 'Keep the RETAIN flag as it was published (MQTT 5)'
complete -c culex -n "__fish_culex_using_subcommand sub" -s E -d 'End when the broker has answered the subscription'
complete -c culex -n "__fish_culex_using_subcommand sub" -s v -l verbose -d 'Print the topic before the payload'
complete -c culex -n "__fish_culex_using_subcommand sub" -s N -d 'Print no line end after a message'
complete -c culex -n "__fish_culex_using_subcommand sub" -l json -d 'Print each message as one line of JSON with everything; `pub --json-lines` sends it again'
complete -c culex -n "__fish_culex_using_subcommand sub" -l pretty -d 'Indent JSON'
complete -c culex -n "__fish_culex_using_subcommand sub" -l message-rate -d 'Print how many messages arrive each second, not the messages'
complete -c culex -n "__fish_culex_using_subcommand sub" -s w -l watch -d 'Show the latest message of each topic at its own line'
complete -c culex -n "__fish_culex_using_subcommand sub" -l ws -d 'Use WebSocket'
complete -c culex -n "__fish_culex_using_subcommand sub" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex -n "__fish_culex_using_subcommand sub" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex -n "__fish_culex_using_subcommand sub" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand sub" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex -n "__fish_culex_using_subcommand sub" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand sub" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex -n "__fish_culex_using_subcommand sub" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand sub" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex -n "__fish_culex_using_subcommand sub" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex -n "__fish_culex_using_subcommand sub" -l quiet -d 'Print no error at run time'
complete -c culex -n "__fish_culex_using_subcommand sub" -l strict -d 'Speak exactly as mosquitto\'s programs do; must be the first argument'
complete -c culex -n "__fish_culex_using_subcommand sub" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand sub" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand rr" -s e -d 'Topic on which the reply is expected' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s C -d 'Wait for this many replies to each request' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l repeat -d 'Send the request this many times, each when the one before has its replies' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s t -l topic -d 'Topic to publish to' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s m -l message -d 'Payload' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s f -l file -d 'Send a file as one message' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s q -l qos -d 'Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand rr" -l retain-handling -d 'When the broker sends retained messages (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c culex -n "__fish_culex_using_subcommand rr" -s W -d 'End after this many seconds, with status 27' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s F -d 'Print by this format: %t topic, %p payload, %j JSON, ...' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l color -d 'Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c culex -n "__fish_culex_using_subcommand rr" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l unix -d 'Connect through this unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s A -d 'Local address to connect from' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex -n "__fish_culex_using_subcommand rr" -s u -l username -d 'User Name' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s P -l pw -d 'Password' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s M -d 'Most messages in flight at once' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l will-payload -d 'Payload of the will' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand rr" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand rr" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand rr" -l cert -d 'File with the client certificate' -r -F
complete -c culex -n "__fish_culex_using_subcommand rr" -l key -d 'File with the client\'s private key' -r -F
complete -c culex -n "__fish_culex_using_subcommand rr" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand rr" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand rr" -s o -d 'Read options from this file, one a line, in place of the default file' -r
complete -c culex -n "__fish_culex_using_subcommand rr" -l latency -d 'Print how long the reply took; with --repeat the percentiles of all replies, at the end'
complete -c culex -n "__fish_culex_using_subcommand rr" -s n -l null-message -d 'Send a message without payload'
complete -c culex -n "__fish_culex_using_subcommand rr" -s s -l stdin-file -d 'Send all of the standard input as one message'
complete -c culex -n "__fish_culex_using_subcommand rr" -s R -d 'Leave out retained messages'
complete -c culex -n "__fish_culex_using_subcommand rr" -l retain-as-published -d 'Keep the RETAIN flag as it was published (MQTT 5)'
complete -c culex -n "__fish_culex_using_subcommand rr" -s v -l verbose -d 'Print the topic before the payload'
complete -c culex -n "__fish_culex_using_subcommand rr" -s N -d 'Print no line end after a message'
complete -c culex -n "__fish_culex_using_subcommand rr" -l json -d 'Print each message as one line of JSON with everything; `pub --json-lines` sends it again'
complete -c culex -n "__fish_culex_using_subcommand rr" -l pretty -d 'Indent JSON'
complete -c culex -n "__fish_culex_using_subcommand rr" -l ws -d 'Use WebSocket'
complete -c culex -n "__fish_culex_using_subcommand rr" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex -n "__fish_culex_using_subcommand rr" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex -n "__fish_culex_using_subcommand rr" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand rr" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex -n "__fish_culex_using_subcommand rr" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand rr" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex -n "__fish_culex_using_subcommand rr" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand rr" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex -n "__fish_culex_using_subcommand rr" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex -n "__fish_culex_using_subcommand rr" -l quiet -d 'Print no error at run time'
complete -c culex -n "__fish_culex_using_subcommand rr" -l strict -d 'Speak exactly as mosquitto\'s programs do; must be the first argument'
complete -c culex -n "__fish_culex_using_subcommand rr" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand rr" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand record" -s o -l output -d 'Write the lines to this file, which must not exist yet; - is the standard output' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -s t -l topic -d 'Topic filter to subscribe to; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s T -l filter-out -d 'Topic filter of messages to leave out; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l retain-handling -d 'When the broker sends retained messages (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c culex -n "__fish_culex_using_subcommand record" -l ready-fd -d 'Write a line to this descriptor once the broker has answered the subscription, and close it' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l ready-file -d 'Make this file once the broker has answered the subscription' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -l after-suback -d 'Run this shell command once the broker has answered the subscription; if it fails, end with its status' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s q -l qos -d 'Highest Quality of Service' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand record" -s C -d 'End after this many messages' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s W -d 'End after this many seconds; with -C, and before them, with status 27' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l unix -d 'Connect through this unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s A -d 'Local address to connect from' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s u -l username -d 'User Name' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s P -l pw -d 'Password' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s M -d 'Most messages in flight at once' -r
complete -c culex -n "__fish_culex_using_subcommand record" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l will-payload -d 'Payload of the will' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand record" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -l cert -d 'File with the client certificate' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -l key -d 'File with the client\'s private key' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex -n "__fish_culex_using_subcommand record" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand record" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex -n "__fish_culex_using_subcommand record" -l append -d 'Go on at the end of the file, if it exists'
complete -c culex -n "__fish_culex_using_subcommand record" -l force -d 'Write over the file, if it exists'
complete -c culex -n "__fish_culex_using_subcommand record" -s R -d 'Leave out what is retained when the recording begins'
complete -c culex -n "__fish_culex_using_subcommand record" -l ws -d 'Use WebSocket'
complete -c culex -n "__fish_culex_using_subcommand record" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex -n "__fish_culex_using_subcommand record" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex -n "__fish_culex_using_subcommand record" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand record" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex -n "__fish_culex_using_subcommand record" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand record" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex -n "__fish_culex_using_subcommand record" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand record" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex -n "__fish_culex_using_subcommand record" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex -n "__fish_culex_using_subcommand record" -l quiet -d 'Print no error at run time'
complete -c culex -n "__fish_culex_using_subcommand record" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand record" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand replay" -l speed -d 'Divide the recorded pauses by this number; max leaves them out' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l map -d 'Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first one that fits a topic counts' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l retry -d 'Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s t -l topic -d 'Topic of lines that name none' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s q -l qos -d 'Quality of Service of lines that name none' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand replay" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l unix -d 'Connect through this unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s A -d 'Local address to connect from' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s u -l username -d 'User Name' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s P -l pw -d 'Password' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s M -d 'Most messages in flight at once' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l will-payload -d 'Payload of the will' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand replay" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand replay" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand replay" -l cert -d 'File with the client certificate' -r -F
complete -c culex -n "__fish_culex_using_subcommand replay" -l key -d 'File with the client\'s private key' -r -F
complete -c culex -n "__fish_culex_using_subcommand replay" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand replay" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex -n "__fish_culex_using_subcommand replay" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand replay" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex -n "__fish_culex_using_subcommand replay" -s r -l retain -d 'Ask the broker to retain messages whose lines do not say'
complete -c culex -n "__fish_culex_using_subcommand replay" -l dry-run -d 'Print the packets that would be sent, when each would be and what its bytes mean, and send nothing'
complete -c culex -n "__fish_culex_using_subcommand replay" -l ws -d 'Use WebSocket'
complete -c culex -n "__fish_culex_using_subcommand replay" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex -n "__fish_culex_using_subcommand replay" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex -n "__fish_culex_using_subcommand replay" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand replay" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex -n "__fish_culex_using_subcommand replay" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand replay" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex -n "__fish_culex_using_subcommand replay" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand replay" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex -n "__fish_culex_using_subcommand replay" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex -n "__fish_culex_using_subcommand replay" -l quiet -d 'Print no error at run time'
complete -c culex -n "__fish_culex_using_subcommand replay" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand replay" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand broker" -s c -l config-file -d 'Configuration file, in mosquitto.conf\'s syntax' -r -F
complete -c culex -n "__fish_culex_using_subcommand broker" -s p -l port -d 'Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l ws-port -d 'Listen for WebSocket on this port of the loopback addresses too; 0 takes a free one' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l tls-port -d 'The port of `--tls-ephemeral`' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l user -d 'Let in this user; may be repeated. Without a configuration file, nobody else is let in' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l acl -d 'A line of an ACL file, such as `user bob` or `topic read news/#`; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l max-connections -d 'Connections of one listener at most' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l max-inflight-messages -d 'QoS 1 and 2 messages in flight to one client, told as Receive Maximum; 0 for 65535' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l max-queued-messages -d 'Messages that wait for one client beyond those in flight; 0 for no limit' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l max-packet-size -d 'Longest packet that is accepted, in bytes; 0 for no limit' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l max-keepalive -d 'Longest Keep Alive, in seconds; 0 for no limit' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l max-qos -d 'Highest QoS that is accepted' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l response-information -d 'Response Information for MQTT 5 clients that ask for it' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l log-format -d 'Form of the log\'s lines' -r -f -a "text\t'mosquitto\'s lines'
json\t'One JSON object a line: time, type, message, and where it concerns one, connection and client'"
complete -c culex -n "__fish_culex_using_subcommand broker" -l tls-keylog -d 'Append the secrets of TLS connections to this file, in the form that Wireshark reads' -r -F
complete -c culex -n "__fish_culex_using_subcommand broker" -l print-env -d 'Print where the broker is found as settings of the environment, once it accepts' -r -f -a "sh\t'`eval "$(...)"` in a POSIX shell'
fish\t'`eval` or `source` in fish'
json\t'One JSON object'
github\t'To be appended to `$GITHUB_ENV`'"
complete -c culex -n "__fish_culex_using_subcommand broker" -l port-file -d 'Write the port to this file once it accepts' -r -F
complete -c culex -n "__fish_culex_using_subcommand broker" -l ready-fd -d 'Write the port to this descriptor once it accepts, and close it' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -l record -d 'Write everything that happens to this file, one JSON object a line' -r -F
complete -c culex -n "__fish_culex_using_subcommand broker" -l pcap -d 'Write the packets of all clients to this file, as a capture for Wireshark' -r -F
complete -c culex -n "__fish_culex_using_subcommand broker" -l junit -d 'Write what came of the command and of --assert as JUnit XML' -r -F
complete -c culex -n "__fish_culex_using_subcommand broker" -l assert -d 'What must be so at the end; else the status is 1. May be repeated' -r -f -a "no-protocol-errors\t'No client has broken the protocol'
retained-empty\t'Nothing is retained'
all-acknowledged\t'No client owes an acknowledgement'"
complete -c culex -n "__fish_culex_using_subcommand broker" -l control -d 'Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command' -r
complete -c culex -n "__fish_culex_using_subcommand broker" -s d -l daemon -d 'Go to the background; the command returns when the broker accepts, or with its error'
complete -c culex -n "__fish_culex_using_subcommand broker" -s v -l verbose -d 'Log everything, whatever the configuration says'
complete -c culex -n "__fish_culex_using_subcommand broker" -s q -l quiet -d 'Log nothing, whatever the configuration says'
complete -c culex -n "__fish_culex_using_subcommand broker" -l test-config -d 'Read the configuration, say whether it is right, and end'
complete -c culex -n "__fish_culex_using_subcommand broker" -l tls-ephemeral -d 'Listen for TLS too, on a free port of the loopback addresses, with a certificate that is made for this run'
complete -c culex -n "__fish_culex_using_subcommand broker" -l reason-strings -d 'Tell MQTT 5 clients in words why something was refused'
complete -c culex -n "__fish_culex_using_subcommand broker" -l until-eof -d 'End when the standard input does'
complete -c culex -n "__fish_culex_using_subcommand broker" -l exec -d 'Run the command behind `--` with a broker of its own on a free port, and end with its status'
complete -c culex -n "__fish_culex_using_subcommand broker" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c culex -n "__fish_culex_using_subcommand passwd" -s H -d 'How passwords are hashed; SCRAM needs sha512-pbkdf2' -r -f -a "sha512\t'One round of salted SHA-512, for mosquitto before 2.0'
sha512-pbkdf2\t'PBKDF2 with HMAC-SHA-512'
argon2id\t'Argon2id, for mosquitto from 2.1 on'"
complete -c culex -n "__fish_culex_using_subcommand passwd" -s I -d 'Rounds of sha512-pbkdf2' -r
complete -c culex -n "__fish_culex_using_subcommand passwd" -s b -d 'Take the password from the command line, where every user of the machine can see it'
complete -c culex -n "__fish_culex_using_subcommand passwd" -s c -d 'Create a new file; one that is there is overwritten'
complete -c culex -n "__fish_culex_using_subcommand passwd" -s D -d 'Delete the user'
complete -c culex -n "__fish_culex_using_subcommand passwd" -s U -d 'Hash the plain passwords of a file'
complete -c culex -n "__fish_culex_using_subcommand passwd" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c culex -n "__fish_culex_using_subcommand bench" -l kind -d 'For storm: what all clients do at once' -r -f -a "reconnect\t'Lose their connections without a word, and come back'
will\t'Die, so that the broker publishes their wills to one subscriber'
retain\t'Subscribe to --messages retained topics (1,000)'
subscribe\t'Send --messages SUBSCRIBE packets (one each)'
resume\t'Come back to their sessions, in which --messages messages wait (100 each)'"
complete -c culex -n "__fish_culex_using_subcommand bench" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s p -l port -d 'Port of the broker; 8883 with TLS, else 1883' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l url -d 'The broker in one word: mqtt://user:password@host:port, or with mqtts, ws or wss' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l ws-path -d 'What the WebSocket is opened at' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l unix -d 'Connect through this unix socket' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -s A -l bind -d 'Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l sndbuf -d 'Size of each socket\'s send buffer' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l rcvbuf -d 'Size of each socket\'s receive buffer' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l connect-timeout -d 'How long one connection may take to CONNACK' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l reconnect -d 'Make a lost connection again after this pause, or as 1s..30s after pauses that grow from one to the other, each shortened by up to half by chance; else it stays away' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l cafile -d 'File with trusted CA certificates; the system\'s are trusted by default' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l capath -d 'Directory with trusted CA certificates' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l cert -d 'File with each client\'s certificate; a template: certs/%i.pem' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l key -d 'File with each client\'s private key; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l psk -d 'Pre-shared key in hexadecimal, in place of certificates; a template (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l psk-identity -d 'Under which name the broker knows the key; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r -f -a "tlsv1.2\t''
tlsv1.3\t''"
complete -c culex -n "__fish_culex_using_subcommand bench" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l id -d 'Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l id-prefix -d 'Client Identifiers made of this prefix and the index' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s u -l username -d 'User Names; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s P -l pw -d 'Passwords; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l credentials -d 'Take identifiers, names, passwords and certificates from this file: a line of id,user,password,cert,key a client' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -s V -l protocol-version -d 'Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s k -l keepalive -d 'Keep Alive in seconds; 0 turns it off' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s x -d 'Session Expiry Interval in seconds (MQTT 5)' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l will-topic -d 'Topic of each client\'s Will Message; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l will-payload -d 'Payload of the will; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand bench" -s D -l property -d 'Add a property to a packet (MQTT 5): packet (connect, will, publish, subscribe, unsubscribe, disconnect), property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l groups -d 'Put clients into this many groups, the number of which is %g' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l start-index -d 'Index of the first client' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s c -l clients -d 'Publishers (in sub: subscribers, in conn: connections, in rr: requesters, in reflect: responders)' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l rate -d 'Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow, which is a closed loop' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l rate-per-client -d 'Messages a second of each publisher' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s I -l message-interval -d 'Milliseconds between two messages of each publisher' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l ramp -d 'Total rate that rises evenly and then stays: 0..100k/60s' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l stages -d 'Total rates one after the other: 10s@1k,30s@10k' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l arrival -d 'How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l max-lag -d 'Drop messages that could not be sent within this time, and count them, instead of letting them wait' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s W -l duration -d 'Measured time; in conn the time for which connections stay' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s L -l messages -d 'Total number of messages, which ends the load before its time does; in storms what they are made of' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l warmup -d 'Load before the measured time, counted but not in the result; 1s by default, none with --messages. auto waits until throughput and median latency have been steady for ten seconds, at most a minute' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l repeat -d 'Run this many times, and tell how the runs differ' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l drain -d 'How long nothing may arrive at the end before what is missing is lost; in sub how long to go on reading' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s R -l connect-rate -d 'Connections a second, also fractions' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s i -l connect-interval -d 'Milliseconds between two connections' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s t -l topic -d 'Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s q -l qos -d 'Quality of Service of the messages; in storm --kind resume at least 1' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand bench" -s s -l size -d 'Size of the payload: 16, 1k, 16..512' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l compressible -d 'Share of the payload that compresses away, in percent' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s m -l message -d 'Payload; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -s f -l file -d 'Payload from this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l lines -d 'Payloads from the lines of this file, round and round' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l template -d 'Payload made for each message from this file: {{seq}} {{ts_ms}} {{ts_ns}} {{rand a b}} {{gauss m s}} {{uuid}} {{client}} {{user}} {{index}} {{group}} {{host}}' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l stamp -d 'How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off' -r -f -a "auto\t'What suits the payload'
full\t'24 bytes'
seq\t'8 bytes'
property\t'A User Property'
off\t'Nothing'"
complete -c culex -n "__fish_culex_using_subcommand bench" -s w -l window -l inflight -d 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l subs -d 'Subscribers in run, responders in rr; as many as publishers by default' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l filter -d 'Filter of each subscriber; a template, the topic\'s by default; repeat it for several' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l sub-qos -d 'Quality of Service of the subscriptions; that of the messages by default' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand bench" -l sub-id -d 'Give each subscription this Subscription Identifier (MQTT 5)' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l share -d 'Subscribe as members of this shared subscription; a template' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l slow-consumer -d 'Let each subscriber, or as 10/s:3 the first three, read no more messages a second than this while the load lasts; --rcvbuf 4k lets the broker feel it sooner' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l fan-out -d 'One publisher whose messages go to this many subscribers' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l fan-in -d 'All publishers\' messages go to this many subscribers' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l engine -d 'What makes the load: own event loops, or the client library rumqttc (run, pub and sub over TCP and TLS)' -r -f -a "own\t'Our own event loops'
rumqttc\t'The client library rumqttc: a task or two a client'"
complete -c culex -n "__fish_culex_using_subcommand bench" -l threads -d 'Event loops, each a thread; as many as there are processors by default' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l segment -d 'Be part i of n of the load, as 0/3; also from JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX or SLURM_PROCID, with BENCH_SEGMENTS or SLURM_NTASKS' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l start-at -d 'Begin the load then: +30s, or a time such as 2026-11-22T20:00:00Z' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l gate -d 'Begin the load when a message comes on this topic, or is retained there: one message starts all segments' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l prometheus -d 'Serve what is counted for Prometheus while it runs, on this port or address' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l calibration -d 'Say what share of this machine\'s ceiling was used: what calibrate wrote with --json or --out' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l allow -d 'Do not count these against the run: loss, duplicate, reorder' -r -f -a "loss\t''
duplicate\t''
reorder\t''"
complete -c culex -n "__fish_culex_using_subcommand bench" -l progress -d 'How the run shows where it stands: auto (redrawn on a terminal, a line a second elsewhere), plain, none' -r -f -a "auto\t'Redrawn on a terminal, a line a second elsewhere'
plain\t'A line a second'
none\t'Nothing'"
complete -c culex -n "__fish_culex_using_subcommand bench" -l json -d 'Write the result as JSON (schema bench/1); - is the standard output' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l out -d 'Write the result with its seconds and streams, for merge, report and compare' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l csv -d 'Write each second as a line of CSV' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l hdr-log -d 'Write the latencies of each second as an HdrHistogram log' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l html -d 'Write one self-contained page with curves' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l fail -d 'Fail (status 4) unless this holds: \'p99<50ms,loss=0\', \'rate>=0.99*asked\', \'connect.p99<1s\'' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l baseline -d 'Results of earlier runs to compare with; once for each file' -r -F
complete -c culex -n "__fish_culex_using_subcommand bench" -l fail-regress -d 'Fail (status 4) when a figure is worse than the baseline\'s by more than this: \'p99>10%,rate>5%\'' -r
complete -c culex -n "__fish_culex_using_subcommand bench" -l ws -d 'Speak WebSocket'
complete -c culex -n "__fish_culex_using_subcommand bench" -l embedded -d 'Run against a broker of our own, in this process, started for the run'
complete -c culex -n "__fish_culex_using_subcommand bench" -l no-nodelay -d 'Let the kernel gather small packets (Nagle\'s algorithm)'
complete -c culex -n "__fish_culex_using_subcommand bench" -l no-quickack -d 'Let the kernel delay acknowledgements, as ordinary clients do'
complete -c culex -n "__fish_culex_using_subcommand bench" -l tls -d 'Speak TLS; so do the other options of this group'
complete -c culex -n "__fish_culex_using_subcommand bench" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand bench" -l tls-resume -d 'Let each client resume its TLS session when it connects again; else every handshake is a full one'
complete -c culex -n "__fish_culex_using_subcommand bench" -l no-clean -d 'Keep sessions (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand bench" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand bench" -l closed -d 'Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)'
complete -c culex -n "__fish_culex_using_subcommand bench" -l steady -d 'Fail (status 5) when throughput or median latency did not hold still in the last ten measured seconds'
complete -c culex -n "__fish_culex_using_subcommand bench" -s r -l retain -d 'Let the broker retain the messages'
complete -c culex -n "__fish_culex_using_subcommand bench" -l no-retained -d 'Pass over messages that were retained before'
complete -c culex -n "__fish_culex_using_subcommand bench" -l unsubscribe -d 'Unsubscribe at the end'
complete -c culex -n "__fish_culex_using_subcommand bench" -l pin -d 'Keep each thread to a processor of its own (Linux)'
complete -c culex -n "__fish_culex_using_subcommand bench" -l sync-clocks -d 'Compare this clock with that of the other side over the broker, so that sub, or segments that hear each other, tell latencies from host to host, with a bound of their error; both sides need it'
complete -c culex -n "__fish_culex_using_subcommand bench" -l strict -d 'Fail (status 5) when the generator was the limit, or the load was not steady'
complete -c culex -n "__fish_culex_using_subcommand bench" -l check-sys -d 'Compare with the broker\'s own counters ($SYS); waits for them before and after the run, on mosquitto up to ten seconds each'
complete -c culex -n "__fish_culex_using_subcommand bench" -l quiet -d 'Print no progress and no preflight'
complete -c culex -n "__fish_culex_using_subcommand bench" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand bench" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand bench" -l no-color -d 'Print without colours'
complete -c culex -n "__fish_culex_using_subcommand check; and not __fish_seen_subcommand_from run expect none health" -s h -l help -d 'Print help'
complete -c culex -n "__fish_culex_using_subcommand check; and not __fish_seen_subcommand_from run expect none health" -f -a "run" -d 'Run scenarios from YAML or JSON files, or from all such files of a directory'
complete -c culex -n "__fish_culex_using_subcommand check; and not __fish_seen_subcommand_from run expect none health" -f -a "expect" -d 'Wait for a message; with a command, which is started once the subscription stands'
complete -c culex -n "__fish_culex_using_subcommand check; and not __fish_seen_subcommand_from run expect none health" -f -a "none" -d 'See that no such message comes'
complete -c culex -n "__fish_culex_using_subcommand check; and not __fish_seen_subcommand_from run expect none health" -f -a "health" -d 'See whether a broker takes a message and gives it back, for containers and monitoring'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -s r -l report -d 'Write a report, to a file or to the standard output; may be repeated. human is the default' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l artifacts -d 'Keep the journal, the packets, the timeline and the seed of each scenario that did not pass in this directory' -r -f -a "(__fish_complete_directories)"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l var -d 'Give a variable a value, before those of the files; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l broker -d 'Run on the broker at this URL instead of those that the files name' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -s f -l filter -d 'Run only scenarios with this in their name, file or tags; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l shard -d 'Run only each n-th scenario, beginning with the i-th' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -s j -l jobs -d 'How many scenarios run at once; 0 is one a processor' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l repeat -d 'Run each scenario so often' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l seed -d 'Seed of faults and of ${random}; another one in each run by default' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l timeout -d 'How long all of it may take; the status is 124 then' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'Never'"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Tell of each step of scenarios that passed, too'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l list -d 'Name the scenarios and end'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l dry-run -d 'Read the files, say whether they are right, and end'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l until-fail -d 'With --repeat: end with the first that does not pass'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -l bail -d 'End with the first that does not pass; what runs already is run to its end'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -s w -l watch -d 'Run again whenever one of the files changes, until interrupted'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -s t -l topic -d 'Topic Filter; {name} stands for one level' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l text -d 'The payload is this text' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l json -d 'The payload is JSON, and this' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l json-subset -d 'The payload is JSON with at least this in it' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l json-schema -d 'The payload is JSON that this schema allows' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l at -d 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l regex -d 'The payload is a text in which this pattern is found' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l hex -d 'The payload in hexadecimal; ?? is any byte' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l decode -d 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l qos -d 'Published with this QoS' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l retain -d 'Published with this RETAIN flag' -r -f -a "true\t''
false\t''"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l from -d 'Published by this client, where * and ? stand for characters; known with --embedded only' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l prop -d 'With this property, such as content-type=text/plain or user.name=value; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -s L -l url -d 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -s p -l port -d 'Its port' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l cafile -d 'The authority that its certificate comes from, PEM' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l within -d 'How long it is waited for' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l count -d 'At least so many messages' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l empty -d 'The payload is empty'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l embedded -d 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -s q -l quiet -d 'Print nothing unless it fails'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -s v -l verbose -d 'Print what happened'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from expect" -l help -d 'Print help'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -s t -l topic -d 'Topic Filter; {name} stands for one level' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l text -d 'The payload is this text' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l json -d 'The payload is JSON, and this' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l json-subset -d 'The payload is JSON with at least this in it' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l json-schema -d 'The payload is JSON that this schema allows' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l at -d 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l regex -d 'The payload is a text in which this pattern is found' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l hex -d 'The payload in hexadecimal; ?? is any byte' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l decode -d 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l qos -d 'Published with this QoS' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l retain -d 'Published with this RETAIN flag' -r -f -a "true\t''
false\t''"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l from -d 'Published by this client, where * and ? stand for characters; known with --embedded only' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l prop -d 'With this property, such as content-type=text/plain or user.name=value; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -s L -l url -d 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -s p -l port -d 'Its port' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l cafile -d 'The authority that its certificate comes from, PEM' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l for -d 'How long it is looked for; a command is waited for in any case' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l empty -d 'The payload is empty'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l embedded -d 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -s q -l quiet -d 'Print nothing unless it fails'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -s v -l verbose -d 'Print what happened'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from none" -l help -d 'Print help'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l warn -d 'Call it slow when connecting, subscribing and the message\'s way take longer than this (200ms, 1s)' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l crit -d 'Call it broken when they take longer than this' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l timeout -d 'Give up after this long' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l format -d 'How the outcome is told: text for people, a line with performance data for Nagios and its kin, metrics for a Prometheus text file, a line of JSON' -r -f -a "text\t'A line for people'
nagios\t'A line with performance data, and the statuses of a plugin'
prometheus\t'Metrics'
json\t'A line of JSON'"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s t -l topic -d 'Topic of the message; by default one of its own under culex/health/' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s q -l qos -d 'Quality of Service of the message, both ways' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s h -l host -d 'Host of the broker' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l unix -d 'Connect through this unix socket' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s A -d 'Local address to connect from' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s u -l username -d 'User Name' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s P -l pw -d 'Password' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s M -d 'Most messages in flight at once' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l will-payload -d 'Payload of the will' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l cert -d 'File with the client certificate' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l key -d 'File with the client\'s private key' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l ciphers -d 'Ciphers to offer' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l ws -d 'Use WebSocket'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l will-retain -d 'Let the broker retain the will'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l quiet -d 'Print no error at run time'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l help -d 'Print this help'
complete -c culex -n "__fish_culex_using_subcommand check; and __fish_seen_subcommand_from health" -l version -d 'Print the version'
complete -c culex -n "__fish_culex_using_subcommand proxy" -s l -l listen -d 'Where to listen: host:port (`*` is every address), or a port of the loopback address; 0 takes a free one and prints it' -r
complete -c culex -n "__fish_culex_using_subcommand proxy" -s u -l upstream -d 'The broker behind: mqtt://, mqtts://, ws:// or wss://' -r
complete -c culex -n "__fish_culex_using_subcommand proxy" -l cafile -d 'The authority that its certificate comes from, PEM' -r -F
complete -c culex -n "__fish_culex_using_subcommand proxy" -l journal -d 'Write everything that happens to this file, one JSON object a line' -r -F
complete -c culex -n "__fish_culex_using_subcommand proxy" -l pcap -d 'Write the packets of both directions to this file, as a capture for Wireshark' -r -F
complete -c culex -n "__fish_culex_using_subcommand proxy" -s f -l fault -d 'A rule, such as \'{on: {from: "lamp-*", packet: puback, nth: 1}, do: drop}\'; may be repeated' -r
complete -c culex -n "__fish_culex_using_subcommand proxy" -l faults -d 'A file with a list of rules, YAML or JSON' -r -F
complete -c culex -n "__fish_culex_using_subcommand proxy" -l seed -d 'Seed of probabilities, jitter and corrupted bytes' -r
complete -c culex -n "__fish_culex_using_subcommand proxy" -l port-file -d 'Write the port to this file once it accepts' -r -F
complete -c culex -n "__fish_culex_using_subcommand proxy" -l log -d 'Print each packet of both directions, decoded'
complete -c culex -n "__fish_culex_using_subcommand proxy" -s h -l help -d 'Print help'
complete -c culex -n "__fish_culex_using_subcommand completions" -s h -l help -d 'Print help'
complete -c culex -n "__fish_culex_using_subcommand man" -s h -l help -d 'Print help'
complete -c culex -n "__fish_culex_using_subcommand links" -s h -l help -d 'Print help'
