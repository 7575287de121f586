
use builtin;
use str;

set edit:completion:arg-completer[culex-bench] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'culex-bench'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'culex-bench'= {
            cand -h 'Host of the broker'
            cand --host 'Host of the broker'
            cand -p 'Port of the broker'
            cand --port 'Port of the broker'
            cand --unix 'Connect through this unix socket'
            cand -A 'Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas'
            cand --bind 'Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas'
            cand --sndbuf 'Size of each socket''s send buffer'
            cand --rcvbuf 'Size of each socket''s receive buffer'
            cand --connect-timeout 'How long one connection may take to CONNACK'
            cand --reconnect 'Make a lost connection again after this pause; else it stays away'
            cand --id 'Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first'
            cand --id-prefix 'Client Identifiers made of this prefix and the index'
            cand -u 'User Names; a template'
            cand --username 'User Names; a template'
            cand -P 'Passwords; a template'
            cand --pw 'Passwords; a template'
            cand --credentials 'Take identifiers, names and passwords from this file: a line of id,user,password a client'
            cand -V 'Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)'
            cand --protocol-version 'Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)'
            cand -k 'Keep Alive in seconds; 0 turns it off'
            cand --keepalive 'Keep Alive in seconds; 0 turns it off'
            cand -x 'Session Expiry Interval in seconds (MQTT 5)'
            cand --will-topic 'Topic of each client''s Will Message; a template'
            cand --will-payload 'Payload of the will; a template'
            cand --will-qos 'Quality of Service of the will'
            cand -D 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value'
            cand --property 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value'
            cand --groups 'Put clients into this many groups, the number of which is %g'
            cand --start-index 'Index of the first client'
            cand -c 'Publishers (in sub: subscribers, in conn: connections, in rr: requesters)'
            cand --clients 'Publishers (in sub: subscribers, in conn: connections, in rr: requesters)'
            cand --rate 'Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow, which is a closed loop'
            cand --rate-per-client 'Messages a second of each publisher'
            cand -I 'Milliseconds between two messages of each publisher'
            cand --message-interval 'Milliseconds between two messages of each publisher'
            cand --ramp 'Total rate that rises evenly and then stays: 0..100k/60s'
            cand --stages 'Total rates one after the other: 10s@1k,30s@10k'
            cand --arrival 'How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate'
            cand --max-lag 'Drop messages that could not be sent within this time, and count them, instead of letting them wait'
            cand -W 'Measured time; in conn the time for which connections stay'
            cand --duration 'Measured time; in conn the time for which connections stay'
            cand -L 'Total number of messages, which ends the load before its time does'
            cand --messages 'Total number of messages, which ends the load before its time does'
            cand --warmup 'Load before the measured time, counted but not in the result; 1s by default, none with --messages'
            cand --drain 'How long nothing may arrive at the end before what is missing is lost'
            cand -R 'Connections a second, also fractions'
            cand --connect-rate 'Connections a second, also fractions'
            cand -i 'Milliseconds between two connections'
            cand --connect-interval 'Milliseconds between two connections'
            cand -t 'Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign'
            cand --topic 'Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign'
            cand -q 'Quality of Service of the messages'
            cand --qos 'Quality of Service of the messages'
            cand -s 'Size of the payload: 16, 1k, 16..512'
            cand --size 'Size of the payload: 16, 1k, 16..512'
            cand --compressible 'Share of the payload that compresses away, in percent'
            cand -m 'Payload; a template'
            cand --message 'Payload; a template'
            cand -f 'Payload from this file'
            cand --file 'Payload from this file'
            cand --lines 'Payloads from the lines of this file, round and round'
            cand --stamp 'How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off'
            cand -w 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes'
            cand --window 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes'
            cand --inflight 'Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes'
            cand --subs 'Subscribers in run, responders in rr; as many as publishers by default'
            cand --filter 'Filter of each subscriber; a template, the topic''s by default; repeat it for several'
            cand --sub-qos 'Quality of Service of the subscriptions; that of the messages by default'
            cand --share 'Subscribe as members of this shared subscription; a template'
            cand --fan-out 'One publisher whose messages go to this many subscribers'
            cand --fan-in 'All publishers'' messages go to this many subscribers'
            cand --threads 'Event loops, each a thread; as many as there are processors by default'
            cand --allow 'Do not count these against the run: loss, duplicate, reorder'
            cand --embedded 'Run against a broker of our own, in this process, started for the run'
            cand --no-nodelay 'Let the kernel gather small packets (Nagle''s algorithm)'
            cand --no-quickack 'Let the kernel delay acknowledgements, as ordinary clients do'
            cand --no-clean 'Keep sessions (Clean Start 0)'
            cand --will-retain 'Let the broker retain the will'
            cand --closed 'Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)'
            cand -r 'Let the broker retain the messages'
            cand --retain 'Let the broker retain the messages'
            cand --strict 'Fail (status 5) when the generator was the limit, or the load was not steady'
            cand --quiet 'Print no progress and no preflight'
            cand --help 'Print this help'
            cand --version 'Print the version'
        }
    ]
    $completions[$command]
}
