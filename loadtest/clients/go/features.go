package main

// What a Go client has to do in the client matrix: the same as in ../python/matrix_features.py.

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"time"
)

const patience = 40 * time.Second
const baseMs = int64(1_600_000_000_000)

// Written last into each partition, and in a batch of its own: whoever has read it has been offered everything before.
var end = []byte("the end")

// Header is one header of a record.
type Header struct {
	Name  string
	Value []byte
}

// Record is one record, as written or as read. A key or value that is nil is absent, which is not the same as empty.
type Record struct {
	Partition int32
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp int64 // 0: the client chooses.
}

// Client is what a client can do, as the checks see it.
type Client interface {
	Admin
	Create(topic string, partitions int32) error
	Delete(topic string) error
	// Partitions is 0 when the topic is not there.
	Partitions(topic string) (int, error)
	// TellsEmptyFromAbsent is whether an empty value is read as one, and not as a tombstone.
	TellsEmptyFromAbsent() bool
	// Write returns when all are acknowledged.
	Write(topic string, records []Record, codec string, idempotent bool) error
	Reader(topic string, partitions int32) (Poller, error)
	Member(group, topic string) (Poller, error)
	// OffsetAt is -1 when no record of partition 0 is that young.
	OffsetAt(topic string, timestamp int64) (int64, error)
}

// Poller is somebody who reads.
type Poller interface {
	Poll() ([]Record, error)
	// Assigned counts the partitions that it reads.
	Assigned() int
	Commit() error
	Close() error
}

func some(name string, count int, partitions int32) []Record {
	records := make([]Record, count)
	for i := range records {
		records[i] = Record{
			Partition: int32(i) % partitions,
			Key:       fmt.Appendf(nil, "key-%d", i),
			Value:     fmt.Appendf(nil, "%s-%d:%s", name, i, strings.Repeat("wide ", 20)),
		}
	}
	return records
}

func withTimes(count int) []Record {
	records := some("times", count, 1)
	for i := range records {
		records[i].Timestamp = baseMs + int64(i)*1000
	}
	return records
}

func isEnd(record Record) bool {
	return bytes.Equal(record.Value, end)
}

func ends(partitions int32) []Record {
	records := make([]Record, partitions)
	for i := range records {
		records[i] = Record{Partition: int32(i), Key: []byte("end"), Value: end}
	}
	return records
}

func same(one, other []byte) bool {
	return (one == nil) == (other == nil) && bytes.Equal(one, other)
}

func sameHeaders(one, other []Header) bool {
	if len(one) != len(other) {
		return false
	}
	for i := range one {
		if one[i].Name != other[i].Name || !bytes.Equal(one[i].Value, other[i].Value) {
			return false
		}
	}
	return true
}

func (record Record) String() string {
	value := record.Value[:min(len(record.Value), 40)]
	absent := record.Value == nil
	return fmt.Sprintf("p%d %q %q (absent: %v) headers %v at %d", record.Partition, record.Key, value, absent,
		record.Headers, record.Timestamp)
}

// Every record once, in its place, as it was written. What was not given to the client is not compared.
func compare(written, read []Record, partitions int32) error {
	for partition := range partitions {
		var expected, got []Record
		for _, record := range written {
			if record.Partition == partition {
				expected = append(expected, record)
			}
		}
		for _, record := range read {
			if record.Partition == partition && !isEnd(record) {
				got = append(got, record)
			}
		}
		for _, one := range expected {
			found := false
			for _, other := range got {
				found = found || same(one.Key, other.Key) && same(one.Value, other.Value)
			}
			if !found {
				return fmt.Errorf("lost: %v", one)
			}
		}
		if len(got) > len(expected) {
			return fmt.Errorf("doubled or foreign: %d records instead of %d", len(got), len(expected))
		}
		for i, one := range expected {
			other := got[i]
			good := same(one.Key, other.Key) && same(one.Value, other.Value) && sameHeaders(one.Headers, other.Headers)
			if !good || one.Timestamp != 0 && one.Timestamp != other.Timestamp {
				return fmt.Errorf("reordered or altered at %d: %v became %v", i, one, other)
			}
		}
	}
	return nil
}

// Polls all in turn until the ends of all partitions have come; what each got.
func readToEnd(pollers []Poller, partitions int32) ([][]Record, error) {
	deadline := time.Now().Add(patience)
	shares := make([][]Record, len(pollers))
	for seen := int32(0); seen < partitions; {
		for i, poller := range pollers {
			read, err := poller.Poll()
			if err != nil {
				return nil, err
			}
			for _, record := range read {
				if isEnd(record) {
					seen++
				}
			}
			shares[i] = append(shares[i], read...)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("nothing more came after %d records by the first", len(shares[0]))
		}
	}
	return shares, nil
}

func write(client Client, topic string, records []Record, partitions int32, codec string, idempotent bool) error {
	if err := client.Write(topic, records, codec, idempotent); err != nil {
		return err
	}
	return client.Write(topic, ends(partitions), "none", false)
}

func writeAndRead(client Client, topic string, records []Record, partitions int32, codec string, idempotent bool) error {
	if err := client.Create(topic, partitions); err != nil {
		return err
	}
	if err := write(client, topic, records, partitions, codec, idempotent); err != nil {
		return err
	}
	reader, err := client.Reader(topic, partitions)
	if err != nil {
		return err
	}
	shares, err := readToEnd([]Poller{reader}, partitions)
	if err != nil {
		return err
	}
	if err := reader.Close(); err != nil {
		return err
	}
	return compare(records, shares[0], partitions)
}

func headers(client Client, topic string) error {
	records := some("headers", 20, 1)
	for i := range records {
		records[i].Headers = []Header{
			{"a-number", fmt.Appendf(nil, "%d", i)}, {"b-empty", []byte{}}, {"c-bytes", []byte{0, 255, byte(i)}},
		}
	}
	return writeAndRead(client, topic, records, 1, "none", false)
}

func tombstones(client Client, topic string) error {
	key := []byte("key")
	records := []Record{
		{Key: key, Value: []byte("value")}, {Key: key}, {Value: []byte("no key")}, {Key: []byte("gone")},
	}
	if client.TellsEmptyFromAbsent() {
		records = append(records, Record{Key: key, Value: []byte{}}, Record{Key: []byte{}, Value: []byte("empty key")})
	}
	return writeAndRead(client, topic, records, 1, "none", false)
}

func big(client Client, topic string) error {
	records := some("big", 6, 1)
	for _, i := range []int{1, 2, 4} {
		noise := make([]byte, 900_000)
		rand.New(rand.NewSource(int64(i))).Read(noise)
		records[i].Value = append(records[i].Value, noise...)
	}
	return writeAndRead(client, topic, records, 1, "none", false)
}

func offsetsByTime(client Client, topic string) error {
	if err := writeAndRead(client, topic, withTimes(10), 1, "none", false); err != nil {
		return err
	}
	for since, expected := range map[int64]int64{0: 0, 1: 1, 4_000: 4, 4_500: 5, 9_000: 9} {
		found, err := client.OffsetAt(topic, baseMs+since)
		if err != nil {
			return err
		}
		if found != expected {
			return fmt.Errorf("the first record %d ms after the first one is at %d, not at %d", since, expected, found)
		}
	}
	return nil
}

func admin(client Client, topic string) error {
	if partitions, err := client.Partitions(topic); err != nil || partitions != 0 {
		return fmt.Errorf("the topic is there before it is created: %d, %v", partitions, err)
	}
	if err := writeAndRead(client, topic, some("admin", 30, 3), 3, "none", false); err != nil {
		return err
	}
	if partitions, err := client.Partitions(topic); err != nil || partitions != 3 {
		return fmt.Errorf("%d partitions instead of 3: %v", partitions, err)
	}
	if err := client.Create(topic, 3); err == nil || !strings.Contains(strings.ToLower(err.Error()), "exist") {
		return fmt.Errorf("a topic was created twice: %v", err)
	}
	if err := client.Delete(topic); err != nil {
		return err
	}
	if partitions, err := client.Partitions(topic); err != nil || partitions != 0 {
		return fmt.Errorf("a deleted topic is still there: %d, %v", partitions, err)
	}
	return nil
}

// Two members share four partitions, one leaves, and a third goes on where the last one stood.
func group(client Client, topic string) error {
	if err := client.Create(topic, 4); err != nil {
		return err
	}
	phase := func(name string, members ...Poller) error {
		records := some(name, 200, 4)
		if err := write(client, topic, records, 4, "none", false); err != nil {
			return err
		}
		shares, err := readToEnd(members, 4)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var all []Record
		for i, share := range shares {
			if len(share) == 0 {
				return fmt.Errorf("%s: one member got nothing", name)
			}
			all = append(all, share...)
			if err := members[i].Commit(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return compare(records, all, 4)
	}
	name := topic + "-group"
	stays, err := client.Member(name, topic)
	if err != nil {
		return err
	}
	leaves, err := client.Member(name, topic)
	if err != nil {
		return err
	}
	if err := untilAssigned(2, stays, leaves); err != nil {
		return err
	}
	if err := phase("two", stays, leaves); err != nil {
		return err
	}
	if err := leaves.Close(); err != nil {
		return err
	}
	// What it reads before it has noticed would rightly come again: nobody has committed it.
	if err := untilAssigned(4, stays); err != nil {
		return err
	}
	if err := phase("one", stays); err != nil {
		return err
	}
	if err := stays.Close(); err != nil {
		return err
	}
	late, err := client.Member(name, topic)
	if err != nil {
		return err
	}
	if err := phase("late", late); err != nil {
		return err
	}
	return late.Close()
}

func untilAssigned(each int, members ...Poller) error {
	deadline := time.Now().Add(patience)
	for {
		good := true
		for _, member := range members {
			read, err := member.Poll()
			if err != nil {
				return err
			}
			if len(read) > 0 {
				return fmt.Errorf("%d records came again", len(read))
			}
			good = good && member.Assigned() == each
		}
		if good {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the members do not get %d partitions each", each)
		}
	}
}

func check(client Client, topic, feature string) error {
	switch feature {
	case "produce":
		return writeAndRead(client, topic, some("produce", 600, 3), 3, "none", false)
	case "idempotence":
		return writeAndRead(client, topic, some("once", 1_000, 2), 2, "none", true)
	case "none", "gzip", "snappy", "lz4", "zstd":
		return writeAndRead(client, topic, some(feature, 300, 2), 2, feature, false)
	case "headers":
		return headers(client, topic)
	case "tombstones":
		return tombstones(client, topic)
	case "big":
		return big(client, topic)
	case "timestamps":
		return writeAndRead(client, topic, withTimes(50), 1, "none", false)
	case "offsets-by-time":
		return offsetsByTime(client, topic)
	case "admin":
		return admin(client, topic)
	case "group":
		return group(client, topic)
	case "add-partitions":
		return addPartitions(client, topic)
	case "configs":
		return configs(client, topic)
	case "delete-records":
		return deleteRecords(client, topic)
	case "describe-groups":
		return describeGroups(client, topic)
	case "alter-groups":
		return alterGroups(client, topic)
	}
	return fmt.Errorf("no feature is called %s", feature)
}
