module completions {

  def "nu-complete culex-broker log_format" [] {
    [ "text" "json" ]
  }

  def "nu-complete culex-broker print_env" [] {
    [ "sh" "fish" "json" "github" ]
  }

  def "nu-complete culex-broker assert" [] {
    [ "no-protocol-errors" "retained-empty" "all-acknowledged" ]
  }

  # An MQTT 5, 3.1.1 and 3.1 broker for tests
  export extern culex-broker [
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
    --log-format: string@"nu-complete culex-broker log_format" # Form of the log's lines
    --tls-keylog: path        # Append the secrets of TLS connections to this file, in the form that Wireshark reads
    --print-env: string@"nu-complete culex-broker print_env" # Print where the broker is found as settings of the environment, once it accepts
    --port-file: path         # Write the port to this file once it accepts
    --ready-fd: string        # Write the port to this descriptor once it accepts, and close it
    --record: path            # Write everything that happens to this file, one JSON object a line
    --pcap: path              # Write the packets of all clients to this file, as a capture for Wireshark
    --junit: path             # Write what came of the command and of --assert as JUnit XML
    --assert: string@"nu-complete culex-broker assert" # What must be so at the end; else the status is 1. May be repeated
    --control: string         # Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command
    --until-eof               # End when the standard input does
    --exec                    # Run the command behind `--` with a broker of its own on a free port, and end with its status
    --help(-h)                # Print help (see more with '--help')
  ]

}

export use completions *
