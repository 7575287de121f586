
use builtin;
use str;

set edit:completion:arg-completer[culex-check] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'culex-check'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'culex-check'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand run 'Run scenarios from YAML or JSON files, or from all such files of a directory'
            cand expect 'Wait for a message; with a command, which is started once the subscription stands'
            cand none 'See that no such message comes'
        }
        &'culex-check;run'= {
            cand -r 'Write a report, to a file or to the standard output; may be repeated. human is the default'
            cand --report 'Write a report, to a file or to the standard output; may be repeated. human is the default'
            cand --artifacts 'Keep the journal, the timeline and the seed of each scenario that did not pass in this directory'
            cand --var 'Give a variable a value, before those of the files; may be repeated'
            cand --broker 'Run on the broker at this URL instead of those that the files name'
            cand -f 'Run only scenarios with this in their name, file or tags; may be repeated'
            cand --filter 'Run only scenarios with this in their name, file or tags; may be repeated'
            cand --shard 'Run only each n-th scenario, beginning with the i-th'
            cand -j 'How many scenarios run at once; 0 is one a processor'
            cand --jobs 'How many scenarios run at once; 0 is one a processor'
            cand --repeat 'Run each scenario so often'
            cand --seed 'Seed of faults and of ${random}; another one in each run by default'
            cand --timeout 'How long all of it may take; the status is 124 then'
            cand --color 'When to use colours'
            cand -v 'Tell of each step of scenarios that passed, too'
            cand --verbose 'Tell of each step of scenarios that passed, too'
            cand --list 'Name the scenarios and end'
            cand --dry-run 'Read the files, say whether they are right, and end'
            cand --until-fail 'With --repeat: end with the first that does not pass'
            cand --bail 'End with the first that does not pass; what runs already is run to its end'
            cand -w 'Run again whenever one of the files changes, until interrupted'
            cand --watch 'Run again whenever one of the files changes, until interrupted'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'culex-check;expect'= {
            cand -t 'Topic Filter; {name} stands for one level'
            cand --topic 'Topic Filter; {name} stands for one level'
            cand --text 'The payload is this text'
            cand --json 'The payload is JSON, and this'
            cand --json-subset 'The payload is JSON with at least this in it'
            cand --json-schema 'The payload is JSON that this schema allows'
            cand --at 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated'
            cand --regex 'The payload is a text in which this pattern is found'
            cand --hex 'The payload in hexadecimal; ?? is any byte'
            cand --decode 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON'
            cand --qos 'Published with this QoS'
            cand --retain 'Published with this RETAIN flag'
            cand --from 'Published by this client; known with --embedded only'
            cand --prop 'With this property, such as content-type=text/plain or user.name=value; may be repeated'
            cand -L 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them'
            cand --url 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them'
            cand -h 'Host of the broker'
            cand --host 'Host of the broker'
            cand -p 'Its port'
            cand --port 'Its port'
            cand --cafile 'The authority that its certificate comes from, PEM'
            cand --within 'How long it is waited for'
            cand --count 'At least so many messages'
            cand --empty 'The payload is empty'
            cand --embedded 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT'
            cand -q 'Print nothing unless it fails'
            cand --quiet 'Print nothing unless it fails'
            cand -v 'Print what happened'
            cand --verbose 'Print what happened'
            cand --help 'Print help'
        }
        &'culex-check;none'= {
            cand -t 'Topic Filter; {name} stands for one level'
            cand --topic 'Topic Filter; {name} stands for one level'
            cand --text 'The payload is this text'
            cand --json 'The payload is JSON, and this'
            cand --json-subset 'The payload is JSON with at least this in it'
            cand --json-schema 'The payload is JSON that this schema allows'
            cand --at 'The payload is JSON with this value at this place, such as /power/w=7; may be repeated'
            cand --regex 'The payload is a text in which this pattern is found'
            cand --hex 'The payload in hexadecimal; ?? is any byte'
            cand --decode 'How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON'
            cand --qos 'Published with this QoS'
            cand --retain 'Published with this RETAIN flag'
            cand --from 'Published by this client; known with --embedded only'
            cand --prop 'With this property, such as content-type=text/plain or user.name=value; may be repeated'
            cand -L 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them'
            cand --url 'The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them'
            cand -h 'Host of the broker'
            cand --host 'Host of the broker'
            cand -p 'Its port'
            cand --port 'Its port'
            cand --cafile 'The authority that its certificate comes from, PEM'
            cand --for 'How long it is looked for; a command is waited for in any case'
            cand --empty 'The payload is empty'
            cand --embedded 'A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT'
            cand -q 'Print nothing unless it fails'
            cand --quiet 'Print nothing unless it fails'
            cand -v 'Print what happened'
            cand --verbose 'Print what happened'
            cand --help 'Print help'
        }
    ]
    $completions[$command]
}
