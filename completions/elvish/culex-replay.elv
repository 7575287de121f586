
use builtin;
use str;

set edit:completion:arg-completer[culex-replay] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'culex-replay'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'culex-replay'= {
            cand --speed 'Divide the recorded pauses by this number; max leaves them out'
            cand --map 'Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first one that fits a topic counts'
            cand --retry 'Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged'
            cand -t 'Topic of lines that name none'
            cand --topic 'Topic of lines that name none'
            cand -q 'Quality of Service of lines that name none'
            cand --qos 'Quality of Service of lines that name none'
            cand -h 'Host of the broker'
            cand --host 'Host of the broker'
            cand -p 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket'
            cand --port 'Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket'
            cand -L 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t''s'
            cand --url 'Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t''s'
            cand --unix 'Connect through this unix socket'
            cand --proxy 'Connect through a SOCKS5 proxy: socks5h://user:password@host:port'
            cand -A 'Local address to connect from'
            cand -i 'Client Identifier; without one the broker assigns it'
            cand --id 'Client Identifier; without one the broker assigns it'
            cand -I 'Client Identifier made of this prefix and the process number'
            cand --id-prefix 'Client Identifier made of this prefix and the process number'
            cand -x 'Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever'
            cand -k 'Keep Alive in seconds, 5 to 65535'
            cand --keepalive 'Keep Alive in seconds, 5 to 65535'
            cand -u 'User Name'
            cand --username 'User Name'
            cand -P 'Password'
            cand --pw 'Password'
            cand --pw-file 'Read the password from the first line of this file'
            cand -M 'Most messages in flight at once'
            cand -D 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value'
            cand --property 'Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value'
            cand --will-topic 'Topic of the message that the broker sends if this client ends without DISCONNECT'
            cand --will-payload 'Payload of the will'
            cand --will-qos 'Quality of Service of the will'
            cand --cafile 'File with trusted CA certificates; switches TLS on'
            cand --capath 'Directory with trusted CA certificates; switches TLS on'
            cand --cert 'File with the client certificate'
            cand --key 'File with the client''s private key'
            cand --keypass-file 'Read the pass phrase of the private key from the first line of this file'
            cand --keyform 'Form of the private key: pem or engine'
            cand --ciphers 'Ciphers to offer'
            cand --tls-version 'Lowest version of TLS: tlsv1.2 or tlsv1.3'
            cand --psk 'Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)'
            cand --psk-identity 'Identity that belongs to the pre-shared key'
            cand --tls-alpn 'Application protocol to offer (ALPN)'
            cand --tls-engine 'OpenSSL engine'
            cand --tls-engine-kpass-sha1 'SHA-1 of the engine''s key password'
            cand --tls-keylog 'Append the session keys to this file'
            cand -V 'Version of the protocol'
            cand --protocol-version 'Version of the protocol'
            cand -r 'Ask the broker to retain messages whose lines do not say'
            cand --retain 'Ask the broker to retain messages whose lines do not say'
            cand --dry-run 'Print the packets that would be sent, when each would be and what its bytes mean, and send nothing'
            cand --ws 'Use WebSocket'
            cand -S 'Find the broker by DNS SRV records of the host''s domain'
            cand --nodelay 'Send small packets at once (TCP_NODELAY)'
            cand -c 'Keep the session of this client identifier (Clean Start 0)'
            cand --disable-clean-session 'Keep the session of this client identifier (Clean Start 0)'
            cand --pw-stdin 'Read the password from the first line of the standard input; what follows it is left for messages'
            cand --will-retain 'Let the broker retain the will'
            cand --tls-use-os-certs 'Trust the system''s certificates; switches TLS on'
            cand --insecure 'Do not check that the certificate names the host'
            cand --no-tls 'Use no TLS, whatever the other options say'
            cand -d 'Print each packet that is sent and received'
            cand --debug 'Print each packet that is sent and received'
            cand --quiet 'Print no error at run time'
            cand --help 'Print this help'
            cand --version 'Print the version'
        }
    ]
    $completions[$command]
}
