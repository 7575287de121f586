
use builtin;
use str;

set edit:completion:arg-completer[culex-broker] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'culex-broker'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'culex-broker'= {
            cand -c 'Configuration file, in mosquitto.conf''s syntax'
            cand --config-file 'Configuration file, in mosquitto.conf''s syntax'
            cand -p 'Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it'
            cand --port 'Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it'
            cand --ws-port 'Listen for WebSocket on this port of the loopback addresses too; 0 takes a free one'
            cand --tls-port 'The port of `--tls-ephemeral`'
            cand --user 'Let in this user; may be repeated. Without a configuration file, nobody else is let in'
            cand --acl 'A line of an ACL file, such as `user bob` or `topic read news/#`; may be repeated'
            cand --max-connections 'Connections of one listener at most'
            cand --max-inflight-messages 'QoS 1 and 2 messages in flight to one client, told as Receive Maximum; 0 for 65535'
            cand --max-queued-messages 'Messages that wait for one client beyond those in flight; 0 for no limit'
            cand --max-packet-size 'Longest packet that is accepted, in bytes; 0 for no limit'
            cand --max-keepalive 'Longest Keep Alive, in seconds; 0 for no limit'
            cand --max-qos 'Highest QoS that is accepted'
            cand --response-information 'Response Information for MQTT 5 clients that ask for it'
            cand --log-format 'Form of the log''s lines'
            cand --tls-keylog 'Append the secrets of TLS connections to this file, in the form that Wireshark reads'
            cand --print-env 'Print where the broker is found as settings of the environment, once it accepts'
            cand --port-file 'Write the port to this file once it accepts'
            cand --ready-fd 'Write the port to this descriptor once it accepts, and close it'
            cand --record 'Write everything that happens to this file, one JSON object a line'
            cand --pcap 'Write the packets of all clients to this file, as a capture for Wireshark'
            cand --junit 'Write what came of the command and of --assert as JUnit XML'
            cand --assert 'What must be so at the end; else the status is 1. May be repeated'
            cand --control 'Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command'
            cand -d 'Go to the background; the command returns when the broker accepts, or with its error'
            cand --daemon 'Go to the background; the command returns when the broker accepts, or with its error'
            cand -v 'Log everything, whatever the configuration says'
            cand --verbose 'Log everything, whatever the configuration says'
            cand -q 'Log nothing, whatever the configuration says'
            cand --quiet 'Log nothing, whatever the configuration says'
            cand --test-config 'Read the configuration, say whether it is right, and end'
            cand --tls-ephemeral 'Listen for TLS too, on a free port of the loopback addresses, with a certificate that is made for this run'
            cand --reason-strings 'Tell MQTT 5 clients in words why something was refused'
            cand --until-eof 'End when the standard input does'
            cand --exec 'Run the command behind `--` with a broker of its own on a free port, and end with its status'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
