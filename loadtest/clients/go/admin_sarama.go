package main

// What an administrator does with sarama.

import (
	"errors"
	"maps"
	"slices"

	"github.com/IBM/sarama"
)

func (s *saramaClient) AddPartitions(topic string, count int32) error {
	return s.admin.CreatePartitions(topic, count, nil, false)
}

func (s *saramaClient) Config(topic, name string) (string, error) {
	wanted := sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name}}
	entries, err := s.admin.DescribeConfig(wanted)
	if err != nil || len(entries) != 1 {
		return "", errors.Join(err, errors.New("not one setting"))
	}
	return entries[0].Value, nil
}

func (s *saramaClient) SetConfig(topic, name, value string) error {
	if !s.version.IsAtLeast(sarama.V2_3_0_0) {
		return s.admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{name: &value}, false)
	}
	wanted := map[string]sarama.IncrementalAlterConfigsEntry{
		name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
	}
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic, wanted, false)
}

func (s *saramaClient) DeleteRecords(topic string, before int64) error {
	return s.admin.DeleteRecords(topic, map[int32]int64{0: before})
}

func (s *saramaClient) Groups() ([]string, error) {
	groups, err := s.admin.ListConsumerGroups()
	return slices.Collect(maps.Keys(groups)), err
}

func (s *saramaClient) DescribeGroup(group string) (string, int, error) {
	described, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return "", 0, err
	}
	if described[0].Err != sarama.ErrNoError {
		return "", 0, described[0].Err
	}
	return described[0].State, len(described[0].Members), nil
}

func (s *saramaClient) GroupOffsets(group, topic string) (map[int32]int64, error) {
	answer, err := s.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1}})
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for partition, block := range answer.Blocks[topic] {
		offsets[partition] = block.Offset
	}
	return offsets, nil
}

func (s *saramaClient) SetGroupOffsets(group, topic string, offsets map[int32]int64) error {
	wanted := map[int32]sarama.OffsetAndMetadata{}
	for partition, offset := range offsets {
		wanted[partition] = sarama.OffsetAndMetadata{Offset: offset, LeaderEpoch: -1}
	}
	answer, err := s.admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{topic: wanted}, nil)
	if err != nil {
		return err
	}
	for _, code := range answer.Errors[topic] {
		if code != sarama.ErrNoError {
			return code
		}
	}
	return nil
}

func (s *saramaClient) DeleteGroup(group string) error {
	return s.admin.DeleteConsumerGroup(group)
}
