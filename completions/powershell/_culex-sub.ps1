
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'culex-sub' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'culex-sub'
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
        'culex-sub' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Topic filter to subscribe to; may be repeated')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'Topic filter to subscribe to; may be repeated')
            [CompletionResult]::new('-U', '-U ', [CompletionResultType]::ParameterName, 'Topic filter to unsubscribe from; may be repeated')
            [CompletionResult]::new('--unsubscribe', '--unsubscribe', [CompletionResultType]::ParameterName, 'Topic filter to unsubscribe from; may be repeated')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Topic filter of messages to leave out; may be repeated')
            [CompletionResult]::new('--filter-out', '--filter-out', [CompletionResultType]::ParameterName, 'Topic filter of messages to leave out; may be repeated')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Highest Quality of Service')
            [CompletionResult]::new('--qos', '--qos', [CompletionResultType]::ParameterName, 'Highest Quality of Service')
            [CompletionResult]::new('--backup', '--backup', [CompletionResultType]::ParameterName, 'With --purge: first write what will be cleared to this new file, as lines that `pub --json-lines` sends again')
            [CompletionResult]::new('--retain-handling', '--retain-handling', [CompletionResultType]::ParameterName, 'When the broker sends retained messages (MQTT 5)')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'End after this many messages; 0 makes the session and leaves, and messages wait in it')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'End with the first message for which this filter in jq''s language gives anything but false and null: ''.on == true''; its input is the payload, $message the message as --json prints it')
            [CompletionResult]::new('-W', '-W ', [CompletionResultType]::ParameterName, 'End after this many seconds, with status 27')
            [CompletionResult]::new('--exec', '--exec', [CompletionResultType]::ParameterName, 'Run this shell command for each message instead of printing it: the payload is its standard input, MQTT_TOPIC, MQTT_QOS, MQTT_RETAIN and the properties (MQTT_CONTENT_TYPE ...) are in its environment')
            [CompletionResult]::new('--exec-jobs', '--exec-jobs', [CompletionResultType]::ParameterName, 'Commands of --exec that run at once')
            [CompletionResult]::new('--ready-fd', '--ready-fd', [CompletionResultType]::ParameterName, 'Write a line to this descriptor once the broker has answered the subscription, and close it')
            [CompletionResult]::new('--ready-file', '--ready-file', [CompletionResultType]::ParameterName, 'Make this file once the broker has answered the subscription')
            [CompletionResult]::new('--after-suback', '--after-suback', [CompletionResultType]::ParameterName, 'Run this shell command once the broker has answered the subscription; if it fails, end with its status')
            [CompletionResult]::new('-F', '-F ', [CompletionResultType]::ParameterName, 'Print by this format: %t topic, %p payload, %j JSON, ...')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never')
            [CompletionResult]::new('--jq', '--jq', [CompletionResultType]::ParameterName, 'Print what this filter in jq''s language gives for each message, strings as they are: ''.temperature''; its input is the payload, $message the message as --json prints it')
            [CompletionResult]::new('--random-filter', '--random-filter', [CompletionResultType]::ParameterName, 'Print this share of the messages, chosen at random')
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
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Version of the protocol')
            [CompletionResult]::new('--protocol-version', '--protocol-version', [CompletionResultType]::ParameterName, 'Version of the protocol')
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
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Read options from this file, one a line, in place of the default file')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Leave out retained messages')
            [CompletionResult]::new('--retained-only', '--retained-only', [CompletionResultType]::ParameterName, 'Print only retained messages and end at the first other one')
            [CompletionResult]::new('--retained', '--retained', [CompletionResultType]::ParameterName, 'Print what is retained and end as soon as all of it has come, without a time-out')
            [CompletionResult]::new('--purge', '--purge', [CompletionResultType]::ParameterName, 'With --retained: clear all that was printed, when all of it has come')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'With --purge: print what would be cleared, and clear nothing')
            [CompletionResult]::new('--remove-retained', '--remove-retained', [CompletionResultType]::ParameterName, 'Clear each retained message that arrives, then print it')
            [CompletionResult]::new('--retain-as-published', '--retain-as-published', [CompletionResultType]::ParameterName, 'Keep the RETAIN flag as it was published (MQTT 5)')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'End when the broker has answered the subscription')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print the topic before the payload')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print the topic before the payload')
            [CompletionResult]::new('-N', '-N ', [CompletionResultType]::ParameterName, 'Print no line end after a message')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print each message as one line of JSON with everything; `pub --json-lines` sends it again')
            [CompletionResult]::new('--pretty', '--pretty', [CompletionResultType]::ParameterName, 'Indent JSON')
            [CompletionResult]::new('--message-rate', '--message-rate', [CompletionResultType]::ParameterName, 'Print how many messages arrive each second, not the messages')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Show the latest message of each topic at its own line')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Show the latest message of each topic at its own line')
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
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Speak exactly as mosquitto''s programs do; must be the first argument')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print this help')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print the version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
