
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'culex-broker' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'culex-broker'
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
        'culex-broker' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file, in mosquitto.conf''s syntax')
            [CompletionResult]::new('--config-file', '--config-file', [CompletionResultType]::ParameterName, 'Configuration file, in mosquitto.conf''s syntax')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it')
            [CompletionResult]::new('--ws-port', '--ws-port', [CompletionResultType]::ParameterName, 'Listen for WebSocket on this port of the loopback addresses too; 0 takes a free one')
            [CompletionResult]::new('--tls-port', '--tls-port', [CompletionResultType]::ParameterName, 'The port of `--tls-ephemeral`')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'Let in this user; may be repeated. Without a configuration file, nobody else is let in')
            [CompletionResult]::new('--acl', '--acl', [CompletionResultType]::ParameterName, 'A line of an ACL file, such as `user bob` or `topic read news/#`; may be repeated')
            [CompletionResult]::new('--max-connections', '--max-connections', [CompletionResultType]::ParameterName, 'Connections of one listener at most')
            [CompletionResult]::new('--max-inflight-messages', '--max-inflight-messages', [CompletionResultType]::ParameterName, 'QoS 1 and 2 messages in flight to one client, told as Receive Maximum; 0 for 65535')
            [CompletionResult]::new('--max-queued-messages', '--max-queued-messages', [CompletionResultType]::ParameterName, 'Messages that wait for one client beyond those in flight; 0 for no limit')
            [CompletionResult]::new('--max-packet-size', '--max-packet-size', [CompletionResultType]::ParameterName, 'Longest packet that is accepted, in bytes; 0 for no limit')
            [CompletionResult]::new('--max-keepalive', '--max-keepalive', [CompletionResultType]::ParameterName, 'Longest Keep Alive, in seconds; 0 for no limit')
            [CompletionResult]::new('--max-qos', '--max-qos', [CompletionResultType]::ParameterName, 'Highest QoS that is accepted')
            [CompletionResult]::new('--response-information', '--response-information', [CompletionResultType]::ParameterName, 'Response Information for MQTT 5 clients that ask for it')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of the log''s lines')
            [CompletionResult]::new('--tls-keylog', '--tls-keylog', [CompletionResultType]::ParameterName, 'Append the secrets of TLS connections to this file, in the form that Wireshark reads')
            [CompletionResult]::new('--print-env', '--print-env', [CompletionResultType]::ParameterName, 'Print where the broker is found as settings of the environment, once it accepts')
            [CompletionResult]::new('--port-file', '--port-file', [CompletionResultType]::ParameterName, 'Write the port to this file once it accepts')
            [CompletionResult]::new('--ready-fd', '--ready-fd', [CompletionResultType]::ParameterName, 'Write the port to this descriptor once it accepts, and close it')
            [CompletionResult]::new('--record', '--record', [CompletionResultType]::ParameterName, 'Write everything that happens to this file, one JSON object a line')
            [CompletionResult]::new('--pcap', '--pcap', [CompletionResultType]::ParameterName, 'Write the packets of all clients to this file, as a capture for Wireshark')
            [CompletionResult]::new('--junit', '--junit', [CompletionResultType]::ParameterName, 'Write what came of the command and of --assert as JUnit XML')
            [CompletionResult]::new('--assert', '--assert', [CompletionResultType]::ParameterName, 'What must be so at the end; else the status is 1. May be repeated')
            [CompletionResult]::new('--control', '--control', [CompletionResultType]::ParameterName, 'Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Go to the background; the command returns when the broker accepts, or with its error')
            [CompletionResult]::new('--daemon', '--daemon', [CompletionResultType]::ParameterName, 'Go to the background; the command returns when the broker accepts, or with its error')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log everything, whatever the configuration says')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log everything, whatever the configuration says')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Log nothing, whatever the configuration says')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Log nothing, whatever the configuration says')
            [CompletionResult]::new('--test-config', '--test-config', [CompletionResultType]::ParameterName, 'Read the configuration, say whether it is right, and end')
            [CompletionResult]::new('--tls-ephemeral', '--tls-ephemeral', [CompletionResultType]::ParameterName, 'Listen for TLS too, on a free port of the loopback addresses, with a certificate that is made for this run')
            [CompletionResult]::new('--reason-strings', '--reason-strings', [CompletionResultType]::ParameterName, 'Tell MQTT 5 clients in words why something was refused')
            [CompletionResult]::new('--until-eof', '--until-eof', [CompletionResultType]::ParameterName, 'End when the standard input does')
            [CompletionResult]::new('--exec', '--exec', [CompletionResultType]::ParameterName, 'Run the command behind `--` with a broker of its own on a free port, and end with its status')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
