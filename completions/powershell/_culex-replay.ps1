
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'culex-replay' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'culex-replay'
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
        'culex-replay' {
            [CompletionResult]::new('--speed', '--speed', [CompletionResultType]::ParameterName, 'Divide the recorded pauses by this number; max leaves them out')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first one that fits a topic counts')
            [CompletionResult]::new('--retry', '--retry', [CompletionResultType]::ParameterName, 'Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Topic of lines that name none')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'Topic of lines that name none')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Quality of Service of lines that name none')
            [CompletionResult]::new('--qos', '--qos', [CompletionResultType]::ParameterName, 'Quality of Service of lines that name none')
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
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Ask the broker to retain messages whose lines do not say')
            [CompletionResult]::new('--retain', '--retain', [CompletionResultType]::ParameterName, 'Ask the broker to retain messages whose lines do not say')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print the packets that would be sent, when each would be and what its bytes mean, and send nothing')
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
