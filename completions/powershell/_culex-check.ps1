
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
            break
        }
        'culex-check;run' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Write a report, to a file or to the standard output; may be repeated. human is the default')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a report, to a file or to the standard output; may be repeated. human is the default')
            [CompletionResult]::new('--artifacts', '--artifacts', [CompletionResultType]::ParameterName, 'Keep the journal, the timeline and the seed of each scenario that did not pass in this directory')
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
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Published by this client; known with --embedded only')
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
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Published by this client; known with --embedded only')
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
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
