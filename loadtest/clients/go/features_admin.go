package main

// What an administrator has to do in the client matrix: the same as in ../python/matrix_admin.py.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Admin is what a client's administrator can do. What is refused is an error.
type Admin interface {
	AddPartitions(topic string, count int32) error
	Config(topic, name string) (string, error)
	SetConfig(topic, name, value string) error
	// DeleteRecords deletes those of partition 0 before an offset.
	DeleteRecords(topic string, before int64) error
	Groups() ([]string, error)
	// DescribeGroup says its state and the number of its members.
	DescribeGroup(group string) (string, int, error)
	GroupOffsets(group, topic string) (map[int32]int64, error)
	SetGroupOffsets(group, topic string, offsets map[int32]int64) error
	DeleteGroup(group string) error
}

func readAll(client Client, topic string, partitions int32, expected []Record) error {
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
	return compare(expected, shares[0], partitions)
}

func addPartitions(client Client, topic string) error {
	records := some("before", 30, 2)
	if err := writeAndRead(client, topic, records, 2, "none", false); err != nil {
		return err
	}
	if err := client.AddPartitions(topic, 4); err != nil {
		return err
	}
	if partitions, err := client.Partitions(topic); err != nil || partitions != 4 {
		return fmt.Errorf("%d partitions instead of 4: %v", partitions, err)
	}
	after := append(some("after", 30, 2), ends(2)...)
	for i := range after {
		after[i].Partition += 2
	}
	if err := client.Write(topic, after, "none", false); err != nil {
		return err
	}
	if err := readAll(client, topic, 4, append(records, after[:30]...)); err != nil {
		return err
	}
	if client.AddPartitions(topic, 1) == nil {
		return fmt.Errorf("fewer partitions were not refused")
	}
	return nil
}

func configs(client Client, topic string) error {
	if err := writeAndRead(client, topic, some("configs", 30, 1), 1, "none", false); err != nil {
		return err
	}
	const name = "retention.ms"
	if value, err := client.Config(topic, name); err != nil || value != "604800000" {
		return fmt.Errorf("the default is %q: %v", value, err)
	}
	if err := client.SetConfig(topic, name, "777000"); err != nil {
		return err
	}
	if value, err := client.Config(topic, name); err != nil || value != "777000" {
		return fmt.Errorf("what was set is %q: %v", value, err)
	}
	if client.SetConfig(topic, name, "soon") == nil {
		return fmt.Errorf("a time that is none was not refused")
	}
	return nil
}

func deleteRecords(client Client, topic string) error {
	records := some("delete", 30, 1)
	if err := writeAndRead(client, topic, records, 1, "none", false); err != nil {
		return err
	}
	if err := client.DeleteRecords(topic, 10); err != nil {
		return err
	}
	return readAll(client, topic, 1, records[10:])
}

// Makes a group whose one member has read and committed everything, and says what that was.
func readByMember(client Client, topic string) (Poller, []Record, error) {
	if err := client.Create(topic, 2); err != nil {
		return nil, nil, err
	}
	records := some("groups", 40, 2)
	if err := write(client, topic, records, 2, "none", false); err != nil {
		return nil, nil, err
	}
	member, err := client.Member(topic+"-group", topic)
	if err != nil {
		return nil, nil, err
	}
	shares, err := readToEnd([]Poller{member}, 2)
	if err != nil {
		return nil, nil, err
	}
	if err := compare(records, shares[0], 2); err != nil {
		return nil, nil, err
	}
	return member, records, member.Commit()
}

func untilGroupIs(client Client, group, state string, members int) error {
	for deadline := time.Now().Add(patience); ; {
		foundState, foundMembers, err := client.DescribeGroup(group)
		if err != nil {
			return err
		}
		if strings.ToLower(foundState) == state && foundMembers == members {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the group is %s with %d members instead of %s with %d", foundState, foundMembers, state, members)
		}
	}
}

func describeGroups(client Client, topic string) error {
	group := topic + "-group"
	member, _, err := readByMember(client, topic)
	if err != nil {
		return err
	}
	if err := untilGroupIs(client, group, "stable", 1); err != nil {
		return err
	}
	if err := member.Close(); err != nil {
		return err
	}
	if err := untilGroupIs(client, group, "empty", 0); err != nil {
		return err
	}
	if groups, err := client.Groups(); err != nil || !slices.Contains(groups, group) {
		return fmt.Errorf("%s is not among %v: %v", group, groups, err)
	}
	offsets, err := client.GroupOffsets(group, topic)
	if err != nil || !maps.Equal(offsets, map[int32]int64{0: 21, 1: 21}) {
		return fmt.Errorf("its offsets are %v: %v", offsets, err)
	}
	return nil
}

func alterGroups(client Client, topic string) error {
	group := topic + "-group"
	member, records, err := readByMember(client, topic)
	if err != nil {
		return err
	}
	if err := member.Close(); err != nil {
		return err
	}
	if err := untilGroupIs(client, group, "empty", 0); err != nil {
		return err
	}
	first := map[int32]int64{0: 5, 1: 7}
	if err := client.SetGroupOffsets(group, topic, first); err != nil {
		return err
	}
	late, err := client.Member(group, topic)
	if err != nil {
		return err
	}
	shares, err := readToEnd([]Poller{late}, 2)
	if err != nil {
		return err
	}
	if err := late.Close(); err != nil {
		return err
	}
	var rest []Record
	for i, record := range records {
		if int64(i/2) >= first[record.Partition] {
			rest = append(rest, record)
		}
	}
	if err := compare(rest, shares[0], 2); err != nil {
		return err
	}
	if err := untilGroupIs(client, group, "empty", 0); err != nil {
		return err
	}
	if err := client.DeleteGroup(group); err != nil {
		return err
	}
	if groups, err := client.Groups(); err != nil || slices.Contains(groups, group) {
		return fmt.Errorf("%s is deleted and still among %v: %v", group, groups, err)
	}
	return nil
}
