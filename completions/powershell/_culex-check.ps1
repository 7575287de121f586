
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'culex-check' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'culex-check'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'culex-check' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run scenarios from YAML or JSON files, or from all such files of a directory')
            [CompletionResult]::new('expect', 'expect', [CompletionResultType]::ParameterValue, 'Wait for a message; with a command, which is started once the subscription stands')
            [CompletionResult]::new('none', 'none', [CompletionResultType]::ParameterValue, 'See that no such message comes')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'See whether a broker takes a message and gives it back, for containers and monitoring')
            break
        }
        'culex-check;run' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Write a report, to a file or to the standard output; may be repeated. human is the default')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a report, to a file or to the standard output; may be repeated. human is the default')
            [CompletionResult]::new('--artifacts', '--artifacts', [CompletionResultType]::ParameterName, 'Keep the journal, the packets, the timeline and the seed of each scenario that did not pass in this directory')
            [CompletionResult]::new('--var', '--var', [CompletionResultType]::ParameterName, 'Give a variable a value, before those of the files; may be repeated')
            [CompletionResult]::new('--broker', '--broker', [CompletionResultType]::ParameterName, 'Run on the broker at this URL instead of those that the files name')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Run only scenarios with this in their name, file or tags; may be repeated')
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Run only scenarios with this in their name, file or tags; may be repeated')
            [CompletionResult]::new('--shard', '--shard', [CompletionResultType]::ParameterName, 'Run only each n-th scenario, beginning with the i-th')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'How many scenarios run at once; 0 is one a processor')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'How many scenarios run at once; 0 is one a processor')
            [CompletionResult]::new('--repeat', '--repeat', [CompletionResultType]::ParameterName, 'Run each scenario so often')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of faults and of ${random}; another one in each run by default')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long all of it may take; the status is 124 then')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell of each step of scenarios that passed, too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell of each step of scenarios that passed, too')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'Name the scenarios and end')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Read the files, say whether they are right, and end')
            [CompletionResult]::new('--until-fail', '--until-fail', [CompletionResultType]::ParameterName, 'With --repeat: end with the first that does not pass')
            [CompletionResult]::new('--bail', '--bail', [CompletionResultType]::ParameterName, 'End with the first that does not pass; what runs already is run to its end')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Run again whenever one of the files changes, until interrupted')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Run again whenever one of the files changes, until interrupted')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'culex-check;expect' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Topic Filter; {name} stands for one level')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'Topic Filter; {name} stands for one level')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'The payload is this text')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The payload is JSON, and this')
            [CompletionResult]::new('--json-subset', '--json-subset', [CompletionResultType]::ParameterName, 'The payload is JSON with at least this in it')
            [CompletionResult]::new('--json-schema', '--json-schema', [CompletionResultType]::ParameterName, 'The payload is JSON that this schema allows')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated')
            [CompletionResult]::new('--regex', '--regex', [CompletionResultType]::ParameterName, 'The payload is a text in which this pattern is found')
            [CompletionResult]::new('--hex', '--hex', [CompletionResultType]::ParameterName, 'The payload in hexadecimal; ?? is any byte')
            [CompletionResult]::new('--decode', '--decode', [CompletionResultType]::ParameterName, 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON')
            [CompletionResult]::new('--qos', '--qos', [CompletionResultType]::ParameterName, 'Published with this QoS')
            [CompletionResult]::new('--retain', '--retain', [CompletionResultType]::ParameterName, 'Published with this RETAIN flag')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Published by this client, where * and ? stand for characters; known with --embedded only')
            [CompletionResult]::new('--prop', '--prop', [CompletionResultType]::ParameterName, 'With this property, such as content-type=text/plain or user.name=value; may be repeated')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Its port')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Its port')
            [CompletionResult]::new('--cafile', '--cafile', [CompletionResultType]::ParameterName, 'The authority that its certificate comes from, PEM')
            [CompletionResult]::new('--within', '--within', [CompletionResultType]::ParameterName, 'How long it is waited for')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'At least so many messages')
            [CompletionResult]::new('--empty', '--empty', [CompletionResultType]::ParameterName, 'The payload is empty')
            [CompletionResult]::new('--embedded', '--embedded', [CompletionResultType]::ParameterName, 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing unless it fails')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing unless it fails')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print what happened')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print what happened')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'culex-check;none' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Topic Filter; {name} stands for one level')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'Topic Filter; {name} stands for one level')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'The payload is this text')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The payload is JSON, and this')
            [CompletionResult]::new('--json-subset', '--json-subset', [CompletionResultType]::ParameterName, 'The payload is JSON with at least this in it')
            [CompletionResult]::new('--json-schema', '--json-schema', [CompletionResultType]::ParameterName, 'The payload is JSON that this schema allows')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated')
            [CompletionResult]::new('--regex', '--regex', [CompletionResultType]::ParameterName, 'The payload is a text in which this pattern is found')
            [CompletionResult]::new('--hex', '--hex', [CompletionResultType]::ParameterName, 'The payload in hexadecimal; ?? is any byte')
            [CompletionResult]::new('--decode', '--decode', [CompletionResultType]::ParameterName, 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON')
            [CompletionResult]::new('--qos', '--qos', [CompletionResultType]::ParameterName, 'Published with this QoS')
            [CompletionResult]::new('--retain', '--retain', [CompletionResultType]::ParameterName, 'Published with this RETAIN flag')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Published by this client, where * and ? stand for characters; known with --embedded only')
            [CompletionResult]::new('--prop', '--prop', [CompletionResultType]::ParameterName, 'With this property, such as content-type=text/plain or user.name=value; may be repeated')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Its port')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Its port')
            [CompletionResult]::new('--cafile', '--cafile', [CompletionResultType]::ParameterName, 'The authority that its certificate comes from, PEM')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'How long it is looked for; a command is waited for in any case')
            [CompletionResult]::new('--empty', '--empty', [CompletionResultType]::ParameterName, 'The payload is empty')
            [CompletionResult]::new('--embedded', '--embedded', [CompletionResultType]::ParameterName, 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing unless it fails')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing unless it fails')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print what happened')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print what happened')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'culex-check;health' {
            [CompletionResult]::new('--warn', '--warn', [CompletionResultType]::ParameterName, 'Call it slow when connecting, subscribing and the message''s way take longer than this (200ms, 1s)')
            [CompletionResult]::new('--crit', '--crit', [CompletionResultType]::ParameterName, 'Call it broken when they take longer than this')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this long')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the outcome is told: text for people, a line with performance data for Nagios and its kin, metrics for a Prometheus text file, a line of JSON')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Topic of the message; by default one of its own under culex/health/')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'Topic of the message; by default one of its own under culex/health/')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Quality of Service of the message, both ways')
            [CompletionResult]::new('--qos', '--qos', [CompletionResultType]::ParameterName, 'Quality of Service of the message, both ways')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t''s')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t''s')
            [CompletionResult]::new('--unix', '--unix', [CompletionResultType]::ParameterName, 'Connect through this unix socket')
            [CompletionResult]::new('--proxy', '--proxy', [CompletionResultType]::ParameterName, 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Local address to connect from')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Client Identifier; without one the broker assigns it')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'Client Identifier; without one the broker assigns it')
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Client Identifier made of this prefix and the process number')
            [CompletionResult]::new('--id-prefix', '--id-prefix', [CompletionResultType]::ParameterName, 'Client Identifier made of this prefix and the process number')
            [CompletionResult]::new('-x', '-x', [CompletionResultType]::ParameterName, 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever')
            [CompletionResult]::new('-k', '-k', [CompletionResultType]::ParameterName, 'Keep Alive in seconds, 5 to 65535')
            [CompletionResult]::new('--keepalive', '--keepalive', [CompletionResultType]::ParameterName, 'Keep Alive in seconds, 5 to 65535')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'User Name')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'User Name')
            [CompletionResult]::new('-P', '-P ', [CompletionResultType]::ParameterName, 'Password')
            [CompletionResult]::new('--pw', '--pw', [CompletionResultType]::ParameterName, 'Password')
            [CompletionResult]::new('--pw-file', '--pw-file', [CompletionResultType]::ParameterName, 'Read the password from the first line of this file')
            [CompletionResult]::new('-M', '-M ', [CompletionResultType]::ParameterName, 'Most messages in flight at once')
            [CompletionResult]::new('-D', '-D ', [CompletionResultType]::ParameterName, 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value')
            [CompletionResult]::new('--property', '--property', [CompletionResultType]::ParameterName, 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value')
            [CompletionResult]::new('--will-topic', '--will-topic', [CompletionResultType]::ParameterName, 'Topic of the message that the broker sends if this client ends without DISCONNECT')
            [CompletionResult]::new('--will-payload', '--will-payload', [CompletionResultType]::ParameterName, 'Payload of the will')
            [CompletionResult]::new('--will-qos', '--will-qos', [CompletionResultType]::ParameterName, 'Quality of Service of the will')
            [CompletionResult]::new('--cafile', '--cafile', [CompletionResultType]::ParameterName, 'File with trusted CA certificates; switches TLS on')
            [CompletionResult]::new('--capath', '--capath', [CompletionResultType]::ParameterName, 'Directory with trusted CA certificates; switches TLS on')
            [CompletionResult]::new('--cert', '--cert', [CompletionResultType]::ParameterName, 'File with the client certificate')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'File with the client''s private key')
            [CompletionResult]::new('--keypass-file', '--keypass-file', [CompletionResultType]::ParameterName, 'Read the pass phrase of the private key from the first line of this file')
            [CompletionResult]::new('--keyform', '--keyform', [CompletionResultType]::ParameterName, 'Form of the private key: pem or engine')
            [CompletionResult]::new('--ciphers', '--ciphers', [CompletionResultType]::ParameterName, 'Ciphers to offer')
            [CompletionResult]::new('--tls-version', '--tls-version', [CompletionResultType]::ParameterName, 'Lowest version of TLS: tlsv1.2 or tlsv1.3')
            [CompletionResult]::new('--psk', '--psk', [CompletionResultType]::ParameterName, 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)')
            [CompletionResult]::new('--psk-identity', '--psk-identity', [CompletionResultType]::ParameterName, 'Identity that belongs to the pre-shared key')
            [CompletionResult]::new('--tls-alpn', '--tls-alpn', [CompletionResultType]::ParameterName, 'Application protocol to offer (ALPN)')
            [CompletionResult]::new('--tls-engine', '--tls-engine', [CompletionResultType]::ParameterName, 'OpenSSL engine')
            [CompletionResult]::new('--tls-engine-kpass-sha1', '--tls-engine-kpass-sha1', [CompletionResultType]::ParameterName, 'SHA-1 of the engine''s key password')
            [CompletionResult]::new('--tls-keylog', '--tls-keylog', [CompletionResultType]::ParameterName, 'Append the session keys to this file')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Version of the protocol')
            [CompletionResult]::new('--protocol-version', '--protocol-version', [CompletionResultType]::ParameterName, 'Version of the protocol')
            [CompletionResult]::new('--ws', '--ws', [CompletionResultType]::ParameterName, 'Use WebSocket')
            [CompletionResult]::new('-S', '-S ', [CompletionResultType]::ParameterName, 'Find the broker by DNS SRV records of the host''s domain')
            [CompletionResult]::new('--nodelay', '--nodelay', [CompletionResultType]::ParameterName, 'Send small packets at once (TCP_NODELAY)')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Keep the session of this client identifier (Clean Start 0)')
            [CompletionResult]::new('--disable-clean-session', '--disable-clean-session', [CompletionResultType]::ParameterName, 'Keep the session of this client identifier (Clean Start 0)')
            [CompletionResult]::new('--pw-stdin', '--pw-stdin', [CompletionResultType]::ParameterName, 'Read the password from the first line of the standard input; what follows it is left for messages')
            [CompletionResult]::new('--will-retain', '--will-retain', [CompletionResultType]::ParameterName, 'Let the broker retain the will')
            [CompletionResult]::new('--tls-use-os-certs', '--tls-use-os-certs', [CompletionResultType]::ParameterName, 'Trust the system''s certificates; switches TLS on')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check that the certificate names the host')
            [CompletionResult]::new('--no-tls', '--no-tls', [CompletionResultType]::ParameterName, 'Use no TLS, whatever the other options say')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Print each packet that is sent and received')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Print each packet that is sent and received')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print no error at run time')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print this help')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print the version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
