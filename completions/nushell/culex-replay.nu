module completions {

  def "nu-complete culex-replay qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-replay will_qos" [] {
    [ "0" "1" "2" ]
  }

  def "nu-complete culex-replay protocol_version" [] {
    [ "mqttv31" "31" "mqttv311" "311" "mqttv5" "5" ]
  }

  # Publish recorded messages again, with the recorded pauses
  export extern culex-replay [
    --speed: string           # Divide the recorded pauses by this number; max leaves them out
    --map: string             # Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first one that fits a topic counts
    --retry: string           # Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what was not acknowledged
    --topic(-t): string       # Topic of lines that name none
    --qos(-q): string@"nu-complete culex-replay qos" # Quality of Service of lines that name none
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
    --will-qos: string@"nu-complete culex-replay will_qos" # Quality of Service of the will
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
    --protocol-version(-V): string@"nu-complete culex-replay protocol_version" # Version of the protocol
    replay_file: path         # Recording to publish, as `culex record` or `sub --json` writes it; - is the standard input
  ]

}

export use completions *
