
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'culex-bench' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'culex-bench'
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
        'culex-bench' {
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'For storm: what all clients do at once')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Host of the broker')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Port of the broker; 8883 with TLS, else 1883')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port of the broker; 8883 with TLS, else 1883')
            [CompletionResult]::new('--ws-path', '--ws-path', [CompletionResultType]::ParameterName, 'What the WebSocket is opened at')
            [CompletionResult]::new('--unix', '--unix', [CompletionResultType]::ParameterName, 'Connect through this unix socket')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas')
            [CompletionResult]::new('--bind', '--bind', [CompletionResultType]::ParameterName, 'Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas')
            [CompletionResult]::new('--sndbuf', '--sndbuf', [CompletionResultType]::ParameterName, 'Size of each socket''s send buffer')
            [CompletionResult]::new('--rcvbuf', '--rcvbuf', [CompletionResultType]::ParameterName, 'Size of each socket''s receive buffer')
            [CompletionResult]::new('--connect-timeout', '--connect-timeout', [CompletionResultType]::ParameterName, 'How long one connection may take to CONNACK')
            [CompletionResult]::new('--reconnect', '--reconnect', [CompletionResultType]::ParameterName, 'Make a lost connection again after this pause; else it stays away')
            [CompletionResult]::new('--cafile', '--cafile', [CompletionResultType]::ParameterName, 'File with trusted CA certificates; the system''s are trusted by default')
            [CompletionResult]::new('--capath', '--capath', [CompletionResultType]::ParameterName, 'Directory with trusted CA certificates')
            [CompletionResult]::new('--cert', '--cert', [CompletionResultType]::ParameterName, 'File with each client''s certificate; a template: certs/%i.pem')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'File with each client''s private key; a template')
            [CompletionResult]::new('--ciphers', '--ciphers', [CompletionResultType]::ParameterName, 'Ciphers to offer')
            [CompletionResult]::new('--tls-version', '--tls-version', [CompletionResultType]::ParameterName, 'Lowest version of TLS: tlsv1.2 or tlsv1.3')
            [CompletionResult]::new('--tls-alpn', '--tls-alpn', [CompletionResultType]::ParameterName, 'Application protocol to offer (ALPN)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first')
            [CompletionResult]::new('--id-prefix', '--id-prefix', [CompletionResultType]::ParameterName, 'Client Identifiers made of this prefix and the index')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'User Names; a template')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'User Names; a template')
            [CompletionResult]::new('-P', '-P ', [CompletionResultType]::ParameterName, 'Passwords; a template')
            [CompletionResult]::new('--pw', '--pw', [CompletionResultType]::ParameterName, 'Passwords; a template')
            [CompletionResult]::new('--credentials', '--credentials', [CompletionResultType]::ParameterName, 'Take identifiers, names and passwords from this file: a line of id,user,password a client')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)')
            [CompletionResult]::new('--protocol-version', '--protocol-version', [CompletionResultType]::ParameterName, 'Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)')
            [CompletionResult]::new('-k', '-k', [CompletionResultType]::ParameterName, 'Keep Alive in seconds; 0 turns it off')
            [CompletionResult]::new('--keepalive', '--keepalive', [CompletionResultType]::ParameterName, 'Keep Alive in seconds; 0 turns it off')
            [CompletionResult]::new('-x', '-x', [CompletionResultType]::ParameterName, 'Session Expiry Interval in seconds (MQTT 5)')
            [CompletionResult]::new('--will-topic', '--will-topic', [CompletionResultType]::ParameterName, 'Topic of each client''s Will Message; a template')
            [CompletionResult]::new('--will-payload', '--will-payload', [CompletionResultType]::ParameterName, 'Payload of the will; a template')
            [CompletionResult]::new('--will-qos', '--will-qos', [CompletionResultType]::ParameterName, 'Quality of Service of the will')
            [CompletionResult]::new('-D', '-D ', [CompletionResultType]::ParameterName, 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value')
            [CompletionResult]::new('--property', '--property', [CompletionResultType]::ParameterName, 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value')
            [CompletionResult]::new('--groups', '--groups', [CompletionResultType]::ParameterName, 'Put clients into this many groups, the number of which is %g')
            [CompletionResult]::new('--start-index', '--start-index', [CompletionResultType]::ParameterName, 'Index of the first client')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Publishers (in sub: subscribers, in conn: connections, in rr: requesters)')
            [CompletionResult]::new('--clients', '--clients', [CompletionResultType]::ParameterName, 'Publishers (in sub: subscribers, in conn: connections, in rr: requesters)')
            [CompletionResult]::new('--rate', '--rate', [CompletionResultType]::ParameterName, 'Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow, which is a closed loop')
            [CompletionResult]::new('--rate-per-client', '--rate-per-client', [CompletionResultType]::ParameterName, 'Messages a second of each publisher')
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Milliseconds between two messages of each publisher')
            [CompletionResult]::new('--message-interval', '--message-interval', [CompletionResultType]::ParameterName, 'Milliseconds between two messages of each publisher')
            [CompletionResult]::new('--ramp', '--ramp', [CompletionResultType]::ParameterName, 'Total rate that rises evenly and then stays: 0..100k/60s')
            [CompletionResult]::new('--stages', '--stages', [CompletionResultType]::ParameterName, 'Total rates one after the other: 10s@1k,30s@10k')
            [CompletionResult]::new('--arrival', '--arrival', [CompletionResultType]::ParameterName, 'How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate')
            [CompletionResult]::new('--max-lag', '--max-lag', [CompletionResultType]::ParameterName, 'Drop messages that could not be sent within this time, and count them, instead of letting them wait')
            [CompletionResult]::new('-W', '-W ', [CompletionResultType]::ParameterName, 'Measured time; in conn the time for which connections stay')
            [CompletionResult]::new('--duration', '--duration', [CompletionResultType]::ParameterName, 'Measured time; in conn the time for which connections stay')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'Total number of messages, which ends the load before its time does')
            [CompletionResult]::new('--messages', '--messages', [CompletionResultType]::ParameterName, 'Total number of messages, which ends the load before its time does')
            [CompletionResult]::new('--warmup', '--warmup', [CompletionResultType]::ParameterName, 'Load before the measured time, counted but not in the result; 1s by default, none with --messages')
            [CompletionResult]::new('--drain', '--drain', [CompletionResultType]::ParameterName, 'How long nothing may arrive at the end before what is missing is lost')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Connections a second, also fractions')
            [CompletionResult]::new('--connect-rate', '--connect-rate', [CompletionResultType]::ParameterName, 'Connections a second, also fractions')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Milliseconds between two connections')
            [CompletionResult]::new('--connect-interval', '--connect-interval', [CompletionResultType]::ParameterName, 'Milliseconds between two connections')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Quality of Service of the messages')
            [CompletionResult]::new('--qos', '--qos', [CompletionResultType]::ParameterName, 'Quality of Service of the messages')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'Size of the payload: 16, 1k, 16..512')
            [CompletionResult]::new('--size', '--size', [CompletionResultType]::ParameterName, 'Size of the payload: 16, 1k, 16..512')
            [CompletionResult]::new('--compressible', '--compressible', [CompletionResultType]::ParameterName, 'Share of the payload that compresses away, in percent')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Payload; a template')
            [CompletionResult]::new('--message', '--message', [CompletionResultType]::ParameterName, 'Payload; a template')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Payload from this file')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Payload from this file')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Payloads from the lines of this file, round and round')
            [CompletionResult]::new('--stamp', '--stamp', [CompletionResultType]::ParameterName, 'How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes')
            [CompletionResult]::new('--window', '--window', [CompletionResultType]::ParameterName, 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes')
            [CompletionResult]::new('--inflight', '--inflight', [CompletionResultType]::ParameterName, 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes')
            [CompletionResult]::new('--subs', '--subs', [CompletionResultType]::ParameterName, 'Subscribers in run, responders in rr; as many as publishers by default')
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Filter of each subscriber; a template, the topic''s by default; repeat it for several')
            [CompletionResult]::new('--sub-qos', '--sub-qos', [CompletionResultType]::ParameterName, 'Quality of Service of the subscriptions; that of the messages by default')
            [CompletionResult]::new('--share', '--share', [CompletionResultType]::ParameterName, 'Subscribe as members of this shared subscription; a template')
            [CompletionResult]::new('--fan-out', '--fan-out', [CompletionResultType]::ParameterName, 'One publisher whose messages go to this many subscribers')
            [CompletionResult]::new('--fan-in', '--fan-in', [CompletionResultType]::ParameterName, 'All publishers'' messages go to this many subscribers')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Event loops, each a thread; as many as there are processors by default')
            [CompletionResult]::new('--segment', '--segment', [CompletionResultType]::ParameterName, 'Be part i of n of the load, as 0/3; also from JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX or SLURM_PROCID, with BENCH_SEGMENTS or SLURM_NTASKS')
            [CompletionResult]::new('--start-at', '--start-at', [CompletionResultType]::ParameterName, 'Begin the load then: +30s, or a time such as 2026-11-22T20:00:00Z')
            [CompletionResult]::new('--allow', '--allow', [CompletionResultType]::ParameterName, 'Do not count these against the run: loss, duplicate, reorder')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How the run shows where it stands: auto (redrawn on a terminal, a line a second elsewhere), plain, none')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write the result as JSON (schema bench/1); - is the standard output')
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Write the result with its seconds and streams, for merge, report and compare')
            [CompletionResult]::new('--csv', '--csv', [CompletionResultType]::ParameterName, 'Write each second as a line of CSV')
            [CompletionResult]::new('--hdr-log', '--hdr-log', [CompletionResultType]::ParameterName, 'Write the latencies of each second as an HdrHistogram log')
            [CompletionResult]::new('--html', '--html', [CompletionResultType]::ParameterName, 'Write one self-contained page with curves')
            [CompletionResult]::new('--fail', '--fail', [CompletionResultType]::ParameterName, 'Fail (status 4) unless this holds: ''p99<50ms,loss=0'', ''rate>=0.99*asked'', ''connect.p99<1s''')
            [CompletionResult]::new('--baseline', '--baseline', [CompletionResultType]::ParameterName, 'Results of earlier runs to compare with; once for each file')
            [CompletionResult]::new('--fail-regress', '--fail-regress', [CompletionResultType]::ParameterName, 'Fail (status 4) when a figure is worse than the baseline''s by more than this: ''p99>10%,rate>5%''')
            [CompletionResult]::new('--ws', '--ws', [CompletionResultType]::ParameterName, 'Speak WebSocket')
            [CompletionResult]::new('--embedded', '--embedded', [CompletionResultType]::ParameterName, 'Run against a broker of our own, in this process, started for the run')
            [CompletionResult]::new('--no-nodelay', '--no-nodelay', [CompletionResultType]::ParameterName, 'Let the kernel gather small packets (Nagle''s algorithm)')
            [CompletionResult]::new('--no-quickack', '--no-quickack', [CompletionResultType]::ParameterName, 'Let the kernel delay acknowledgements, as ordinary clients do')
            [CompletionResult]::new('--tls', '--tls', [CompletionResultType]::ParameterName, 'Speak TLS; so do the other options of this group')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check that the certificate names the host')
            [CompletionResult]::new('--no-clean', '--no-clean', [CompletionResultType]::ParameterName, 'Keep sessions (Clean Start 0)')
            [CompletionResult]::new('--will-retain', '--will-retain', [CompletionResultType]::ParameterName, 'Let the broker retain the will')
            [CompletionResult]::new('--closed', '--closed', [CompletionResultType]::ParameterName, 'Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Let the broker retain the messages')
            [CompletionResult]::new('--retain', '--retain', [CompletionResultType]::ParameterName, 'Let the broker retain the messages')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Fail (status 5) when the generator was the limit, or the load was not steady')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print no progress and no preflight')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print this help')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print the version')
            [CompletionResult]::new('--no-color', '--no-color', [CompletionResultType]::ParameterName, 'Print without colours')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
