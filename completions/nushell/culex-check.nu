module completions {

  # Test devices against a broker: what they must publish, what they must not, and what they do when things go wrong
  export extern culex-check [
    --help(-h)                # Print help
  ]

  def "nu-complete culex-check run color" [] {
    [ "auto" "always" "never" ]
  }

  # Run scenarios from YAML or JSON files, or from all such files of a directory
  export extern "culex-check run" [
    --report(-r): string      # Write a report, to a file or to the standard output; may be repeated. human is the default
    --verbose(-v)             # Tell of each step of scenarios that passed, too
    --artifacts: directory    # Keep the journal, the timeline and the seed of each scenario that did not pass in this directory
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
    --color: string@"nu-complete culex-check run color" # When to use colours
    --help(-h)                # Print help (see more with '--help')
    ...files: path            # Scenario files, or directories of them
  ]

  def "nu-complete culex-check expect retain" [] {
    [ "true" "false" ]
  }

  # Wait for a message; with a command, which is started once the subscription stands
  export extern "culex-check expect" [
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
    --retain: string@"nu-complete culex-check expect retain" # Published with this RETAIN flag
    --from: string            # Published by this client; known with --embedded only
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

  def "nu-complete culex-check none retain" [] {
    [ "true" "false" ]
  }

  # See that no such message comes
  export extern "culex-check none" [
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
    --retain: string@"nu-complete culex-check none retain" # Published with this RETAIN flag
    --from: string            # Published by this client; known with --embedded only
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

}

export use completions *
