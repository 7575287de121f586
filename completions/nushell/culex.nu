module completions {

  # MQTT from the shell, in tests and under load
  export extern culex [
    --help(-h)                # Print help
  ]

  def "nu-complete culex pub qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex pub protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  def "nu-complete culex pub will_qos" [] {
    [ "0" "1" "2" ]
  }

  # Publish messages to an MQTT broker
  export extern "culex pub" [
    --topic(-t): string       # Topic to publish to
    --message(-m): string     # Payload
    --file(-f): string        # Send a file as one message
    --stdin-line(-l)          # Send each line of the standard input as a message
    --null-message(-n)        # Send a message without payload
    --stdin-file(-s)          # Send all of the standard input as one message
    --json-lines              # Send each line of the standard input, a JSON object as `sub --json` prints it, as a message; it may name topic, qos, retain and properties
    --tsv                     # Send each line of the standard input as a message: topic, tab, payload; an empty topic is that of `-t`
    --qos(-q): string@"nu-complete culex pub qos" # Quality of Service
    --retain(-r)              # Let the broker retain the message
    --repeat: string          # Publish this many times
    --repeat-delay: string    # Seconds between two of them; fractions are allowed
    --retry: string           # Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged
    --dry-run                 # Print the packets that would be sent, with what their bytes mean, and send nothing
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --protocol-version(-V): string@"nu-complete culex pub protocol_version" # Version of the protocol
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex pub will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    -o: string                # Read options from this file, one a line, in place of the default file
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --strict                  # Speak exactly as mosquitto's programs do; must be the first argument
    --help                    # Print this help
    --version                 # Print the version
  ]

  def "nu-complete culex sub qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex sub retain_handling" [] {
    [ "always" "new" "never" ]
  }

  def "nu-complete culex sub color" [] {
    [ "auto" "always" "never" ]
  }

  def "nu-complete culex sub protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  def "nu-complete culex sub will_qos" [] {
    [ "0" "1" "2" ]
  }

  # Subscribe to topics of an MQTT broker and print what arrives
  export extern "culex sub" [
    --topic(-t): string       # Topic filter to subscribe to; may be repeated
    --unsubscribe(-U): string # Topic filter to unsubscribe from; may be repeated
    --filter-out(-T): string  # Topic filter of messages to leave out; may be repeated
    --qos(-q): string@"nu-complete culex sub qos" # Highest Quality of Service
    -R                        # Leave out retained messages
    --retained-only           # Print only retained messages and end at the first other one
    --retained                # Print what is retained and end as soon as all of it has come, without a time-out
    --purge                   # With --retained: clear all that was printed, when all of it has come
    --dry-run                 # With --purge: print what would be cleared, and clear nothing
    --backup: path            # With --purge: first write what will be cleared to this new file, as lines that `pub --json-lines` sends again
    --remove-retained         # Clear each retained message that arrives, then print it
    --retain-as-published     # Keep the RETAIN flag as it was published (MQTT 5)
    --retain-handling: string@"nu-complete culex sub retain_handling" # When the broker sends retained messages (MQTT 5)
    -C: string                # End after this many messages; 0 makes the session and leaves, and messages wait in it
    --until: string           # End with the first message for which this filter in jq's language gives anything but false and null: '.on == true'; its input is the payload, $message the message as --json prints it
    -W: string                # End after this many seconds, with status 27
    -E                        # End when the broker has answered the subscription
    --exec: string            # Run this shell command for each message instead of printing it: the payload is its standard input, MQTT_TOPIC, MQTT_QOS, MQTT_RETAIN and the properties (MQTT_CONTENT_TYPE ...) are in its environment
    --exec-jobs: string       # Commands of --exec that run at once
    --ready-fd: string        # Write a line to this descriptor once the broker has answered the subscription, and close it
    --ready-file: path        # Make this file once the broker has answered the subscription
    --after-suback: string    # Run this shell command once the broker has answered the subscription; if it fails, end with its status
    --verbose(-v)             # Print the topic before the payload
    -F: string                # Print by this format: %t topic, %p payload, %j JSON, ...
    -N                        # Print no line end after a message
    --json                    # Print each message as one line of JSON with everything; `pub --json-lines` sends it again
    --color: string@"nu-complete culex sub color" # Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never
    --jq: string              # Print what this filter in jq's language gives for each message, strings as they are: '.temperature'; its input is the payload, $message the message as --json prints it
    --pretty                  # Indent JSON
    --random-filter: string   # Print this share of the messages, chosen at random
    --message-rate            # Print how many messages arrive each second, not the messages
    --watch(-w)               # Show the latest message of each topic at its own line
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --protocol-version(-V): string@"nu-complete culex sub protocol_version" # Version of the protocol
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex sub will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    -o: string                # Read options from this file, one a line, in place of the default file
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --strict                  # Speak exactly as mosquitto's programs do; must be the first argument
    --help                    # Print this help
    --version                 # Print the version
  ]

  def "nu-complete culex rr qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex rr retain_handling" [] {
    [ "always" "new" "never" ]
  }

  def "nu-complete culex rr color" [] {
    [ "auto" "always" "never" ]
  }

  def "nu-complete culex rr protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  def "nu-complete culex rr will_qos" [] {
    [ "0" "1" "2" ]
  }

  # Send a request over an MQTT broker and print the reply
  export extern "culex rr" [
    -e: string                # Topic on which the reply is expected
    --latency                 # Print how long the reply took; with --repeat the percentiles of all replies, at the end
    -C: string                # Wait for this many replies to each request
    --repeat: string          # Send the request this many times, each when the one before has its replies
    --topic(-t): string       # Topic to publish to
    --message(-m): string     # Payload
    --file(-f): string        # Send a file as one message
    --null-message(-n)        # Send a message without payload
    --stdin-file(-s)          # Send all of the standard input as one message
    --qos(-q): string@"nu-complete culex rr qos" # Quality of Service
    -R                        # Leave out retained messages
    --retain-as-published     # Keep the RETAIN flag as it was published (MQTT 5)
    --retain-handling: string@"nu-complete culex rr retain_handling" # When the broker sends retained messages (MQTT 5)
    -W: string                # End after this many seconds, with status 27
    --verbose(-v)             # Print the topic before the payload
    -F: string                # Print by this format: %t topic, %p payload, %j JSON, ...
    -N                        # Print no line end after a message
    --json                    # Print each message as one line of JSON with everything; `pub --json-lines` sends it again
    --color: string@"nu-complete culex rr color" # Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always, never
    --pretty                  # Indent JSON
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --protocol-version(-V): string@"nu-complete culex rr protocol_version" # Version of the protocol
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex rr will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    -o: string                # Read options from this file, one a line, in place of the default file
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --strict                  # Speak exactly as mosquitto's programs do; must be the first argument
    --help                    # Print this help
    --version                 # Print the version
  ]

  def "nu-complete culex record retain_handling" [] {
    [ "always" "new" "never" ]
  }

  def "nu-complete culex record qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex record will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex record protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  # Record messages of an MQTT broker in a file, a line of JSON each
  export extern "culex record" [
    --output(-o): path        # Write the lines to this file, which must not exist yet; - is the standard output
    --append                  # Go on at the end of the file, if it exists
    --force                   # Write over the file, if it exists
    --topic(-t): string       # Topic filter to subscribe to; may be repeated
    --filter-out(-T): string  # Topic filter of messages to leave out; may be repeated
    --retain-handling: string@"nu-complete culex record retain_handling" # When the broker sends retained messages (MQTT 5)
    --ready-fd: string        # Write a line to this descriptor once the broker has answered the subscription, and close it
    --ready-file: path        # Make this file once the broker has answered the subscription
    --after-suback: string    # Run this shell command once the broker has answered the subscription; if it fails, end with its status
    --qos(-q): string@"nu-complete culex record qos" # Highest Quality of Service
    -R                        # Leave out what is retained when the recording begins
    -C: string                # End after this many messages
    -W: string                # End after this many seconds; with -C, and before them, with status 27
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex record will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --help                    # Print this help
    --version                 # Print the version
    --protocol-version(-V): string@"nu-complete culex record protocol_version" # Version of the protocol
  ]

  def "nu-complete culex replay qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex replay will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex replay protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  # Publish recorded messages again, with the recorded pauses
  export extern "culex replay" [
    --speed: string           # Divide the recorded pauses by this number; max leaves them out
    --map: string             # Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first one that fits a topic counts
    --retry: string           # Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged
    --topic(-t): string       # Topic of lines that name none
    --qos(-q): string@"nu-complete culex replay qos" # Quality of Service of lines that name none
    --retain(-r)              # Ask the broker to retain messages whose lines do not say
    --dry-run                 # Print the packets that would be sent, when each would be and what its bytes mean, and send nothing
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex replay will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --help                    # Print this help
    --version                 # Print the version
    --protocol-version(-V): string@"nu-complete culex replay protocol_version" # Version of the protocol
    replay_file: path         # Recording to publish, as `culex record` or `sub --json` writes it; - is the standard input
  ]

  def "nu-complete culex broker log_format" [] {
    [ "text" "json" ]
  }

  def "nu-complete culex broker print_env" [] {
    [ "sh" "fish" "json" "github" ]
  }

  def "nu-complete culex broker assert" [] {
    [ "no-protocol-errors" "retained-empty" "all-acknowledged" ]
  }

  # An MQTT 5, 3.1.1 and 3.1 broker for tests
  export extern "culex broker" [
    --config-file(-c): path   # Configuration file, in mosquitto.conf's syntax
    --port(-p): string        # Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one and prints it
    --daemon(-d)              # Go to the background; the command returns when the broker accepts, or with its error
    --verbose(-v)             # Log everything, whatever the configuration says
    --quiet(-q)               # Log nothing, whatever the configuration says
    --test-config             # Read the configuration, say whether it is right, and end
    --ws-port: string         # Listen for WebSocket on this port of the loopback addresses too; 0 takes a free one
    --tls-ephemeral           # Listen for TLS too, on a free port of the loopback addresses, with a certificate that is made for this run
    --tls-port: string        # The port of `--tls-ephemeral`
    --user: string            # Let in this user; may be repeated. Without a configuration file, nobody else is let in
    --acl: string             # A line of an ACL file, such as `user bob` or `topic read news/#`; may be repeated
    --max-connections: string # Connections of one listener at most
    --max-inflight-messages: string # QoS 1 and 2 messages in flight to one client, told as Receive Maximum; 0 for 65535
    --max-queued-messages: string # Messages that wait for one client beyond those in flight; 0 for no limit
    --max-packet-size: string # Longest packet that is accepted, in bytes; 0 for no limit
    --max-keepalive: string   # Longest Keep Alive, in seconds; 0 for no limit
    --max-qos: string         # Highest QoS that is accepted
    --reason-strings          # Tell MQTT 5 clients in words why something was refused
    --response-information: string # Response Information for MQTT 5 clients that ask for it
    --log-format: string@"nu-complete culex broker log_format" # Form of the log's lines
    --tls-keylog: path        # Append the secrets of TLS connections to this file, in the form that Wireshark reads
    --print-env: string@"nu-complete culex broker print_env" # Print where the broker is found as settings of the environment, once it accepts
    --port-file: path         # Write the port to this file once it accepts
    --ready-fd: string        # Write the port to this descriptor once it accepts, and close it
    --record: path            # Write everything that happens to this file, one JSON object a line
    --pcap: path              # Write the packets of all clients to this file, as a capture for Wireshark
    --junit: path             # Write what came of the command and of --assert as JUnit XML
    --assert: string@"nu-complete culex broker assert" # What must be so at the end; else the status is 1. May be repeated
    --control: string         # Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command
    --until-eof               # End when the standard input does
    --exec                    # Run the command behind `--` with a broker of its own on a free port, and end with its status
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete culex passwd hash" [] {
    [ "sha512" "sha512-pbkdf2" "argon2id" ]
  }

  # Make and edit password files for a broker
  export extern "culex passwd" [
    -b                        # Take the password from the command line, where every user of the machine can see it
    -c                        # Create a new file; one that is there is overwritten
    -D                        # Delete the user
    -U                        # Hash the plain passwords of a file
    -H: string@"nu-complete culex passwd hash" # How passwords are hashed; SCRAM needs sha512-pbkdf2
    -I: string                # Rounds of sha512-pbkdf2
    --help(-h)                # Print help (see more with '--help')
    file: path                # Password file
    user?: string             # Name of the user
    password?: string         # Password, with -b
  ]

  def "nu-complete culex bench mode" [] {
    [ "run" "pub" "sub" "conn" "rr" "reflect" "find" "storm" "calibrate" ]
  }

  def "nu-complete culex bench kind" [] {
    [ "reconnect" "will" "retain" "subscribe" "resume" ]
  }

  def "nu-complete culex bench tls_version" [] {
    [ "tlsv1.2" "tlsv1.3" ]
  }

  def "nu-complete culex bench will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex bench qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex bench stamp" [] {
    [ "auto" "full" "seq" "property" "off" ]
  }

  def "nu-complete culex bench sub_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex bench engine" [] {
    [ "own" "rumqttc" ]
  }

  def "nu-complete culex bench allow" [] {
    [ "loss" "duplicate" "reorder" ]
  }

  def "nu-complete culex bench progress" [] {
    [ "auto" "plain" "none" ]
  }

  # Load any MQTT broker and measure it
  export extern "culex bench" [
    --kind: string@"nu-complete culex bench kind" # For storm: what all clients do at once
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 with TLS, else 1883
    --url: string             # The broker in one word: mqtt://user:password@host:port, or with mqtts, ws or wss
    --ws                      # Speak WebSocket
    --ws-path: string         # What the WebSocket is opened at
    --unix: path              # Connect through this unix socket
    --embedded                # Run against a broker of our own, in this process, started for the run
    --bind(-A): string        # Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas
    --no-nodelay              # Let the kernel gather small packets (Nagle's algorithm)
    --no-quickack             # Let the kernel delay acknowledgements, as ordinary clients do
    --sndbuf: string          # Size of each socket's send buffer
    --rcvbuf: string          # Size of each socket's receive buffer
    --connect-timeout: string # How long one connection may take to CONNACK
    --reconnect: string       # Make a lost connection again after this pause, or as 1s..30s after pauses that grow from one to the other, each shortened by up to half by chance; else it stays away
    --tls                     # Speak TLS; so do the other options of this group
    --cafile: path            # File with trusted CA certificates; the system's are trusted by default
    --capath: path            # Directory with trusted CA certificates
    --cert: string            # File with each client's certificate; a template: certs/%i.pem
    --key: string             # File with each client's private key; a template
    --psk: string             # Pre-shared key in hexadecimal, in place of certificates; a template (in builds with the feature psk)
    --psk-identity: string    # Under which name the broker knows the key; a template
    --insecure                # Do not check that the certificate names the host
    --ciphers: string         # Ciphers to offer
    --tls-version: string@"nu-complete culex bench tls_version" # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --tls-resume              # Let each client resume its TLS session when it connects again; else every handshake is a full one
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --id: string              # Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first
    --id-prefix: string       # Client Identifiers made of this prefix and the index
    --username(-u): string    # User Names; a template
    --pw(-P): string          # Passwords; a template
    --credentials: path       # Take identifiers, names, passwords and certificates from this file: a line of id,user,password,cert,key a client
    --protocol-version(-V): string # Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)
    --keepalive(-k): string   # Keep Alive in seconds; 0 turns it off
    --no-clean                # Keep sessions (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5)
    --will-topic: string      # Topic of each client's Will Message; a template
    --will-payload: string    # Payload of the will; a template
    --will-qos: string@"nu-complete culex bench will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --property(-D): string    # Add a property to a packet (MQTT 5): packet (connect, will, publish, subscribe, unsubscribe, disconnect), property, value; user-property takes a name and a value
    --groups: string          # Put clients into this many groups, the number of which is %g
    --start-index: string     # Index of the first client
    --clients(-c): string     # Publishers (in sub: subscribers, in conn: connections, in rr: requesters, in reflect: responders)
    --rate: string            # Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow, which is a closed loop
    --rate-per-client: string # Messages a second of each publisher
    --message-interval(-I): string # Milliseconds between two messages of each publisher
    --ramp: string            # Total rate that rises evenly and then stays: 0..100k/60s
    --stages: string          # Total rates one after the other: 10s@1k,30s@10k
    --closed                  # Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)
    --arrival: string         # How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate
    --max-lag: string         # Drop messages that could not be sent within this time, and count them, instead of letting them wait
    --duration(-W): string    # Measured time; in conn the time for which connections stay
    --messages(-L): string    # Total number of messages, which ends the load before its time does; in storms what they are made of
    --warmup: string          # Load before the measured time, counted but not in the result; 1s by default, none with --messages. auto waits until throughput and median latency have been steady for ten seconds, at most a minute
    --steady                  # Fail (status 5) when throughput or median latency did not hold still in the last ten measured seconds
    --repeat: string          # Run this many times, and tell how the runs differ
    --drain: string           # How long nothing may arrive at the end before what is missing is lost; in sub how long to go on reading
    --connect-rate(-R): string # Connections a second, also fractions
    --connect-interval(-i): string # Milliseconds between two connections
    --topic(-t): string       # Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number, %r{a..b} random number, %i{a..b} index within a range, %% percent sign
    --qos(-q): string@"nu-complete culex bench qos" # Quality of Service of the messages; in storm --kind resume at least 1
    --retain(-r)              # Let the broker retain the messages
    --size(-s): string        # Size of the payload: 16, 1k, 16..512
    --compressible: string    # Share of the payload that compresses away, in percent
    --message(-m): string     # Payload; a template
    --file(-f): path          # Payload from this file
    --lines: path             # Payloads from the lines of this file, round and round
    --template: path          # Payload made for each message from this file: {{seq}} {{ts_ms}} {{ts_ns}} {{rand a b}} {{gauss m s}} {{uuid}} {{client}} {{user}} {{index}} {{group}} {{host}}
    --stamp: string@"nu-complete culex bench stamp" # How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off
    --window(-w): string      # Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes
    --inflight: string        # Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes
    --subs: string            # Subscribers in run, responders in rr; as many as publishers by default
    --filter: string          # Filter of each subscriber; a template, the topic's by default; repeat it for several
    --sub-qos: string@"nu-complete culex bench sub_qos" # Quality of Service of the subscriptions; that of the messages by default
    --sub-id: string          # Give each subscription this Subscription Identifier (MQTT 5)
    --share: string           # Subscribe as members of this shared subscription; a template
    --slow-consumer: string   # Let each subscriber, or as 10/s:3 the first three, read no more messages a second than this while the load lasts; --rcvbuf 4k lets the broker feel it sooner
    --no-retained             # Pass over messages that were retained before
    --unsubscribe             # Unsubscribe at the end
    --fan-out: string         # One publisher whose messages go to this many subscribers
    --fan-in: string          # All publishers' messages go to this many subscribers
    --engine: string@"nu-complete culex bench engine" # What makes the load: own event loops, or the client library rumqttc (run, pub and sub over TCP and TLS)
    --threads: string         # Event loops, each a thread; as many as there are processors by default
    --pin                     # Keep each thread to a processor of its own (Linux)
    --segment: string         # Be part i of n of the load, as 0/3; also from JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX or SLURM_PROCID, with BENCH_SEGMENTS or SLURM_NTASKS
    --start-at: string        # Begin the load then: +30s, or a time such as 2026-11-22T20:00:00Z
    --gate: string            # Begin the load when a message comes on this topic, or is retained there: one message starts all segments
    --sync-clocks             # Compare this clock with that of the other side over the broker, so that sub, or segments that hear each other, tell latencies from host to host, with a bound of their error; both sides need it
    --prometheus: string      # Serve what is counted for Prometheus while it runs, on this port or address
    --calibration: path       # Say what share of this machine's ceiling was used: what calibrate wrote with --json or --out
    --strict                  # Fail (status 5) when the generator was the limit, or the load was not steady
    --check-sys               # Compare with the broker's own counters ($SYS); waits for them before and after the run, on mosquitto up to ten seconds each
    --allow: string@"nu-complete culex bench allow" # Do not count these against the run: loss, duplicate, reorder
    --progress: string@"nu-complete culex bench progress" # How the run shows where it stands: auto (redrawn on a terminal, a line a second elsewhere), plain, none
    --quiet                   # Print no progress and no preflight
    --help                    # Print this help
    --version                 # Print the version
    --json: path              # Write the result as JSON (schema bench/1); - is the standard output
    --out: path               # Write the result with its seconds and streams, for merge, report and compare
    --csv: path               # Write each second as a line of CSV
    --hdr-log: path           # Write the latencies of each second as an HdrHistogram log
    --html: path              # Write one self-contained page with curves
    --no-color                # Print without colours
    --fail: string            # Fail (status 4) unless this holds: 'p99<50ms,loss=0', 'rate>=0.99*asked', 'connect.p99<1s'
    --baseline: path          # Results of earlier runs to compare with; once for each file
    --fail-regress: string    # Fail (status 4) when a figure is worse than the baseline's by more than this: 'p99>10%,rate>5%'
    mode?: string@"nu-complete culex bench mode" # What to do
    condition?: string        # For find: the condition
  ]

  # Test devices against a broker: what they must publish, what they must not, and what they do when things go wrong
  export extern "culex check" [
    --help(-h)                # Print help
  ]

  def "nu-complete culex check run color" [] {
    [ "auto" "always" "never" ]
  }

  # Run scenarios from YAML or JSON files, or from all such files of a directory
  export extern "culex check run" [
    --report(-r): string      # Write a report, to a file or to the standard output; may be repeated. human is the default
    --verbose(-v)             # Tell of each step of scenarios that passed, too
    --artifacts: directory    # Keep the journal, the packets, the timeline and the seed of each scenario that did not pass in this directory
    --var: string             # Give a variable a value, before those of the files; may be repeated
    --broker: string          # Run on the broker at this URL instead of those that the files name
    --filter(-f): string      # Run only scenarios with this in their name, file or tags; may be repeated
    --shard: string           # Run only each n-th scenario, beginning with the i-th
    --list                    # Name the scenarios and end
    --dry-run                 # Read the files, say whether they are right, and end
    --jobs(-j): string        # How many scenarios run at once; 0 is one a processor
    --repeat: string          # Run each scenario so often
    --until-fail              # With --repeat: end with the first that does not pass
    --bail                    # End with the first that does not pass; what runs already is run to its end
    --seed: string            # Seed of faults and of ${random}; another one in each run by default
    --timeout: string         # How long all of it may take; the status is 124 then
    --watch(-w)               # Run again whenever one of the files changes, until interrupted
    --color: string@"nu-complete culex check run color" # When to use colours
    --help(-h)                # Print help (see more with '--help')
    ...files: path            # Scenario files, or directories of them
  ]

  def "nu-complete culex check expect retain" [] {
    [ "true" "false" ]
  }

  # Wait for a message; with a command, which is started once the subscription stands
  export extern "culex check expect" [
    --topic(-t): string       # Topic Filter; {name} stands for one level
    --text: string            # The payload is this text
    --json: string            # The payload is JSON, and this
    --json-subset: string     # The payload is JSON with at least this in it
    --json-schema: path       # The payload is JSON that this schema allows
    --at: string              # The payload is JSON with this value at this place, such as /power/w=7; may be repeated
    --regex: string           # The payload is a text in which this pattern is found
    --hex: string             # The payload in hexadecimal; ?? is any byte
    --empty                   # The payload is empty
    --decode: string          # How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON
    --qos: string             # Published with this QoS
    --retain: string@"nu-complete culex check expect retain" # Published with this RETAIN flag
    --from: string            # Published by this client, where * and ? stand for characters; known with --embedded only
    --prop: string            # With this property, such as content-type=text/plain or user.name=value; may be repeated
    --url(-L): string         # The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them
    --host(-h): string        # Host of the broker
    --port(-p): string        # Its port
    --cafile: path            # The authority that its certificate comes from, PEM
    --embedded                # A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT
    --quiet(-q)               # Print nothing unless it fails
    --verbose(-v)             # Print what happened
    --within: string          # How long it is waited for
    --count: string           # At least so many messages
    --help                    # Print help
  ]

  def "nu-complete culex check none retain" [] {
    [ "true" "false" ]
  }

  # See that no such message comes
  export extern "culex check none" [
    --topic(-t): string       # Topic Filter; {name} stands for one level
    --text: string            # The payload is this text
    --json: string            # The payload is JSON, and this
    --json-subset: string     # The payload is JSON with at least this in it
    --json-schema: path       # The payload is JSON that this schema allows
    --at: string              # The payload is JSON with this value at this place, such as /power/w=7; may be repeated
    --regex: string           # The payload is a text in which this pattern is found
    --hex: string             # The payload in hexadecimal; ?? is any byte
    --empty                   # The payload is empty
    --decode: string          # How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON
    --qos: string             # Published with this QoS
    --retain: string@"nu-complete culex check none retain" # Published with this RETAIN flag
    --from: string            # Published by this client, where * and ? stand for characters; known with --embedded only
    --prop: string            # With this property, such as content-type=text/plain or user.name=value; may be repeated
    --url(-L): string         # The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them
    --host(-h): string        # Host of the broker
    --port(-p): string        # Its port
    --cafile: path            # The authority that its certificate comes from, PEM
    --embedded                # A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT
    --quiet(-q)               # Print nothing unless it fails
    --verbose(-v)             # Print what happened
    --for: string             # How long it is looked for; a command is waited for in any case
    --help                    # Print help
  ]

  def "nu-complete culex check health health_format" [] {
    [ "text" "nagios" "prometheus" "json" ]
  }

  def "nu-complete culex check health qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex check health will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex check health protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  # See whether a broker takes a message and gives it back, for containers and monitoring
  export extern "culex check health" [
    --warn: string            # Call it slow when connecting, subscribing and the message's way take longer than this (200ms, 1s)
    --crit: string            # Call it broken when they take longer than this
    --timeout: string         # Give up after this long
    --format: string@"nu-complete culex check health health_format" # How the outcome is told: text for people, a line with performance data for Nagios and its kin, metrics for a Prometheus text file, a line of JSON
    --topic(-t): string       # Topic of the message; by default one of its own under culex/health/
    --qos(-q): string@"nu-complete culex check health qos" # Quality of Service of the message, both ways
    --host(-h): string        # Host of the broker
    --port(-p): string        # Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    --url(-L): string         # Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or wss, the path is where the WebSocket is opened, and the topic is -t's
    --unix: string            # Connect through this unix socket
    --ws                      # Use WebSocket
    --proxy: string           # Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    -S                        # Find the broker by DNS SRV records of the host's domain
    -A: string                # Local address to connect from
    --nodelay                 # Send small packets at once (TCP_NODELAY)
    --id(-i): string          # Client Identifier; without one the broker assigns it
    --id-prefix(-I): string   # Client Identifier made of this prefix and the process number
    --disable-clean-session(-c) # Keep the session of this client identifier (Clean Start 0)
    -x: string                # Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    --keepalive(-k): string   # Keep Alive in seconds, 5 to 65535
    --username(-u): string    # User Name
    --pw(-P): string          # Password
    --pw-file: string         # Read the password from the first line of this file
    --pw-stdin                # Read the password from the first line of the standard input; what follows it is left for messages
    -M: string                # Most messages in flight at once
    --property(-D): string    # Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    --will-topic: string      # Topic of the message that the broker sends if this client ends without DISCONNECT
    --will-payload: string    # Payload of the will
    --will-qos: string@"nu-complete culex check health will_qos" # Quality of Service of the will
    --will-retain             # Let the broker retain the will
    --cafile: path            # File with trusted CA certificates; switches TLS on
    --capath: path            # Directory with trusted CA certificates; switches TLS on
    --tls-use-os-certs        # Trust the system's certificates; switches TLS on
    --cert: path              # File with the client certificate
    --key: path               # File with the client's private key
    --keypass-file: path      # Read the pass phrase of the private key from the first line of this file
    --keyform: string         # Form of the private key: pem or engine
    --ciphers: string         # Ciphers to offer
    --tls-version: string     # Lowest version of TLS: tlsv1.2 or tlsv1.3
    --insecure                # Do not check that the certificate names the host
    --psk: string             # Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    --psk-identity: string    # Identity that belongs to the pre-shared key
    --tls-alpn: string        # Application protocol to offer (ALPN)
    --tls-engine: string      # OpenSSL engine
    --tls-engine-kpass-sha1: string # SHA-1 of the engine's key password
    --tls-keylog: path        # Append the session keys to this file
    --no-tls                  # Use no TLS, whatever the other options say
    --debug(-d)               # Print each packet that is sent and received
    --quiet                   # Print no error at run time
    --help                    # Print this help
    --version                 # Print the version
    --protocol-version(-V): string@"nu-complete culex check health protocol_version" # Version of the protocol
  ]

  # Stand in front of a broker: see what goes through, and tamper with it by rules
  export extern "culex proxy" [
    --listen(-l): string      # Where to listen: host:port (`*` is every address), or a port of the loopback address; 0 takes a free one and prints it
    --upstream(-u): string    # The broker behind: mqtt://, mqtts://, ws:// or wss://
    --cafile: path            # The authority that its certificate comes from, PEM
    --log                     # Print each packet of both directions, decoded
    --journal: path           # Write everything that happens to this file, one JSON object a line
    --pcap: path              # Write the packets of both directions to this file, as a capture for Wireshark
    --fault(-f): string       # A rule, such as '{on: {from: "lamp-*", packet: puback, nth: 1}, do: drop}'; may be repeated
    --faults: path            # A file with a list of rules, YAML or JSON
    --seed: string            # Seed of probabilities, jitter and corrupted bytes
    --port-file: path         # Write the port to this file once it accepts
    --help(-h)                # Print help
  ]

  def "nu-complete culex completions shell" [] {
    [ "bash" "elvish" "fish" "nushell" "powershell" "zsh" ]
  }

  def "nu-complete culex completions program" [] {
    [ "culex" "culex-bench" "culex-broker" "culex-check" "culex-pub" "culex-sub" "culex-rr" "culex-record" "culex-replay" ]
  }

  # Print a shell's completion script
  export extern "culex completions" [
    --help(-h)                # Print help
    shell: string@"nu-complete culex completions shell" # Shell that reads the script
    program?: string@"nu-complete culex completions program" # Program that the script completes
  ]

  # Write the man pages of all programs into a directory
  export extern "culex man" [
    --help(-h)                # Print help
    directory: directory      # Directory, made if it does not exist
  ]

  # Make links called mosquitto_pub, mosquitto_sub and mosquitto_rr to this program in a directory
  export extern "culex links" [
    --help(-h)                # Print help
    directory: directory      # Directory, made if it does not exist
  ]

}

export use completions *
