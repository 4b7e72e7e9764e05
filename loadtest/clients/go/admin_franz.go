package main

// What an administrator does with franz-go: its package kadm.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
)

func (f *franz) AddPartitions(topic string, count int32) error {
	answer, err := f.admin.UpdatePartitions(context.Background(), int(count), topic)
	if err != nil {
		return err
	}
	_, err = answer.On(topic, func(one *kadm.CreatePartitionsResponse) error { return one.Err })
	return err
}

func (f *franz) Config(topic, name string) (string, error) {
	answer, err := f.admin.DescribeTopicConfigs(context.Background(), topic)
	if err != nil {
		return "", err
	}
	described, err := answer.On(topic, func(one *kadm.ResourceConfig) error { return one.Err })
	for _, config := range described.Configs {
		if config.Key == name {
			return config.MaybeValue(), err
		}
	}
	return "", err
}

func (f *franz) SetConfig(topic, name, value string) error {
	wanted := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}
	answer, err := f.admin.AlterTopicConfigs(context.Background(), wanted, topic)
	if err != nil {
		return err
	}
	_, err = answer.On(topic, func(one *kadm.AlterConfigsResponse) error { return one.Err })
	return err
}

func (f *franz) DeleteRecords(topic string, before int64) error {
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, before, -1)
	answer, err := f.admin.DeleteRecords(context.Background(), offsets)
	if err != nil {
		return err
	}
	return answer[topic][0].Err
}

func (f *franz) Groups() ([]string, error) {
	answer, err := f.admin.ListGroups(context.Background())
	return answer.Groups(), err
}

func (f *franz) DescribeGroup(group string) (string, int, error) {
	answer, err := f.admin.DescribeGroups(context.Background(), group)
	if err != nil {
		return "", 0, err
	}
	described := answer[group]
	return described.State, len(described.Members), described.Err
}

func (f *franz) GroupOffsets(group, topic string) (map[int32]int64, error) {
	answer, err := f.admin.FetchOffsets(context.Background(), group)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for partition, one := range answer[topic] {
		offsets[partition] = one.At
	}
	return offsets, answer.Error()
}

func (f *franz) SetGroupOffsets(group, topic string, offsets map[int32]int64) error {
	var wanted kadm.Offsets
	for partition, offset := range offsets {
		wanted.AddOffset(topic, partition, offset, -1)
	}
	return f.admin.CommitAllOffsets(context.Background(), group, wanted)
}

func (f *franz) DeleteGroup(group string) error {
	answer, err := f.admin.DeleteGroups(context.Background(), group)
	if err != nil {
		return err
	}
	return answer[group].Err
}
