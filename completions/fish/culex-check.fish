# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_culex_check_global_optspecs
    string join \n h/help
end

function __fish_culex_check_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_culex_check_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_culex_check_using_subcommand
    set -l cmd (__fish_culex_check_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c culex-check -n "__fish_culex_check_needs_command" -s h -l help -d 'Print help'
complete -c culex-check -n "__fish_culex_check_needs_command" -f -a "run" -d 'Run scenarios from YAML or JSON files, or from all such files of a directory'
complete -c culex-check -n "__fish_culex_check_needs_command" -f -a "expect" -d 'Wait for a message; with a command, which is started once the subscription stands'
complete -c culex-check -n "__fish_culex_check_needs_command" -f -a "none" -d 'See that no such message comes'
complete -c culex-check -n "__fish_culex_check_needs_command" -f -a "health" -d 'See whether a broker takes a message and gives it back, for containers and monitoring'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -s r -l report -d 'Write a report, to a file or to the standard output; may be repeated. human is the default' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l artifacts -d 'Keep the journal, the packets, the timeline and the seed of each scenario that did not pass in this directory' -r -f -a "(__fish_complete_directories)"
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l var -d 'Give a variable a value, before those of the files; may be repeated' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l broker -d 'Run on the broker at this URL instead of those that the files name' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -s f -l filter -d 'Run only scenarios with this in their name, file or tags; may be repeated' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l shard -d 'Run only each n-th scenario, beginning with the i-th' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -s j -l jobs -d 'How many scenarios run at once; 0 is one a processor' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l repeat -d 'Run each scenario so often' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l seed -d 'Seed of faults and of ${random}; another one in each run by default' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l timeout -d 'How long all of it may take; the status is 124 then' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'Never'"
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -s v -l verbose -d 'Tell of each step of scenarios that passed, too'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l list -d 'Name the scenarios and end'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l dry-run -d 'Read the files, say whether they are right, and end'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l until-fail -d 'With --repeat: end with the first that does not pass'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -l bail -d 'End with the first that does not pass; what runs already is run to its end'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -s w -l watch -d 'Run again whenever one of the files changes, until interrupted'
complete -c culex-check -n "__fish_culex_check_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -s t -l topic -d 'Topic Filter; {name} stands for one level' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l text -d 'The payload is this text' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l json -d 'The payload is JSON, and this' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l json-subset -d 'The payload is JSON with at least this in it' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l json-schema -d 'The payload is JSON that this schema allows' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l at -d 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l regex -d 'The payload is a text in which this pattern is found' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l hex -d 'The payload in hexadecimal; ?? is any byte' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l decode -d 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l qos -d 'Published with this QoS' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l retain -d 'Published with this RETAIN flag' -r -f -a "true\t''
false\t''"
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l from -d 'Published by this client, where * and ? stand for characters; known with --embedded only' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l prop -d 'With this property, such as content-type=text/plain or user.name=value; may be repeated' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -s L -l url -d 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -s h -l host -d 'Host of the broker' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -s p -l port -d 'Its port' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l cafile -d 'The authority that its certificate comes from, PEM' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l within -d 'How long it is waited for' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l count -d 'At least so many messages' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l empty -d 'The payload is empty'
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l embedded -d 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT'
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -s q -l quiet -d 'Print nothing unless it fails'
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -s v -l verbose -d 'Print what happened'
complete -c culex-check -n "__fish_culex_check_using_subcommand expect" -l help -d 'Print help'
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -s t -l topic -d 'Topic Filter; {name} stands for one level' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l text -d 'The payload is this text' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l json -d 'The payload is JSON, and this' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l json-subset -d 'The payload is JSON with at least this in it' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l json-schema -d 'The payload is JSON that this schema allows' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l at -d 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l regex -d 'The payload is a text in which this pattern is found' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l hex -d 'The payload in hexadecimal; ?? is any byte' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l decode -d 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l qos -d 'Published with this QoS' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l retain -d 'Published with this RETAIN flag' -r -f -a "true\t''
false\t''"
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l from -d 'Published by this client, where * and ? stand for characters; known with --embedded only' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l prop -d 'With this property, such as content-type=text/plain or user.name=value; may be repeated' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -s L -l url -d 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -s h -l host -d 'Host of the broker' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -s p -l port -d 'Its port' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l cafile -d 'The authority that its certificate comes from, PEM' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l for -d 'How long it is looked for; a command is waited for in any case' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l empty -d 'The payload is empty'
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l embedded -d 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT'
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -s q -l quiet -d 'Print nothing unless it fails'
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -s v -l verbose -d 'Print what happened'
complete -c culex-check -n "__fish_culex_check_using_subcommand none" -l help -d 'Print help'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l warn -d 'Call it slow when connecting, subscribing and the message\'s way take longer than this (200ms, 1s)' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l crit -d 'Call it broken when they take longer than this' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l timeout -d 'Give up after this long' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l format -d 'How the outcome is told: text for people, a line with performance data for Nagios and its kin, metrics for a Prometheus text file, a line of JSON' -r -f -a "text\t'A line for people'
nagios\t'A line with performance data, and the statuses of a plugin'
prometheus\t'Metrics'
json\t'A line of JSON'"
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s t -l topic -d 'Topic of the message; by default one of its own under culex/health/' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s q -l qos -d 'Quality of Service of the message, both ways' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s h -l host -d 'Host of the broker' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s p -l port -d 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s L -l url -d 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t\'s' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l unix -d 'Connect through this unix socket' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l proxy -d 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s A -d 'Local address to connect from' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s i -l id -d 'Client Identifier; without one the broker assigns it' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s I -l id-prefix -d 'Client Identifier made of this prefix and the process number' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s x -d 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s k -l keepalive -d 'Keep Alive in seconds, 5 to 65535' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s u -l username -d 'User Name' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s P -l pw -d 'Password' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l pw-file -d 'Read the password from the first line of this file' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s M -d 'Most messages in flight at once' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s D -l property -d 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l will-topic -d 'Topic of the message that the broker sends if this client ends without DISCONNECT' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l will-payload -d 'Payload of the will' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l will-qos -d 'Quality of Service of the will' -r -f -a "0\t''
1\t''
2\t''"
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l cafile -d 'File with trusted CA certificates; switches TLS on' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l capath -d 'Directory with trusted CA certificates; switches TLS on' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l cert -d 'File with the client certificate' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l key -d 'File with the client\'s private key' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l keypass-file -d 'Read the pass phrase of the private key from the first line of this file' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l keyform -d 'Form of the private key: pem or engine' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l ciphers -d 'Ciphers to offer' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l tls-version -d 'Lowest version of TLS: tlsv1.2 or tlsv1.3' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l psk -d 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l psk-identity -d 'Identity that belongs to the pre-shared key' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l tls-alpn -d 'Application protocol to offer (ALPN)' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l tls-engine -d 'OpenSSL engine' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l tls-keylog -d 'Append the session keys to this file' -r -F
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s V -l protocol-version -d 'Version of the protocol' -r -f -a "mqttv31\t''
31\t''
mqttv311\t''
311\t''
mqttv5\t''
5\t''"
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l ws -d 'Use WebSocket'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s S -d 'Find the broker by DNS SRV records of the host\'s domain'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l nodelay -d 'Send small packets at once (TCP_NODELAY)'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s c -l disable-clean-session -d 'Keep the session of this client identifier (Clean Start 0)'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l pw-stdin -d 'Read the password from the first line of the standard input; what follows it is left for messages'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l will-retain -d 'Let the broker retain the will'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l tls-use-os-certs -d 'Trust the system\'s certificates; switches TLS on'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l insecure -d 'Do not check that the certificate names the host'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l no-tls -d 'Use no TLS, whatever the other options say'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -s d -l debug -d 'Print each packet that is sent and received'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l quiet -d 'Print no error at run time'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l help -d 'Print this help'
complete -c culex-check -n "__fish_culex_check_using_subcommand health" -l version -d 'Print the version'
