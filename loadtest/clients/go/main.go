// The Go clients in the client matrix: `matrix CLIENT version`, or `matrix CLIENT ADDRESS TOPIC FEATURE`, which exits with 0
// or prints what differed.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
)

// How a client is made from an address, and the module that it comes from.
type known struct {
	connect func(address string) (Client, error)
	module  string
}

var clients = map[string]known{
	"franz-go":      {newFranz, "github.com/twmb/franz-go"},
	"sarama":        {newSarama, "github.com/IBM/sarama"},
	"sarama-as-1.0": {newSaramaAs1, "github.com/IBM/sarama"},
	"kafka-go":      {newSegmentio, "github.com/segmentio/kafka-go"},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) != 2 && len(words) != 4 {
		return fmt.Errorf("usage: matrix CLIENT version, or matrix CLIENT ADDRESS TOPIC FEATURE")
	}
	known, found := clients[words[0]]
	if !found {
		return fmt.Errorf("no client is called %s", words[0])
	}
	if len(words) == 2 {
		fmt.Println(version(known.module))
		return nil
	}
	client, err := known.connect(words[1])
	if err != nil {
		return err
	}
	return check(client, words[2], words[3])
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version[1:]
		}
	}
	return "?"
}
