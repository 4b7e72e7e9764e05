package main

// What an administrator does with kafka-go.

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go"
)

func (s *segmentio) AddPartitions(topic string, count int32) error {
	request := &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: count}}}
	answer, err := s.client.CreatePartitions(context.Background(), request)
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (s *segmentio) Config(topic, name string) (string, error) {
	wanted := kafka.DescribeConfigRequestResource{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name},
	}
	request := &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{wanted}}
	answer, err := s.client.DescribeConfigs(context.Background(), request)
	if err != nil {
		return "", err
	}
	if answer.Resources[0].Error != nil || len(answer.Resources[0].ConfigEntries) != 1 {
		return "", errors.Join(answer.Resources[0].Error, errors.New("not one setting"))
	}
	return answer.Resources[0].ConfigEntries[0].ConfigValue, nil
}

func (s *segmentio) SetConfig(topic, name, value string) error {
	wanted := kafka.IncrementalAlterConfigsRequestResource{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet},
		},
	}
	request := &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{wanted}}
	answer, err := s.client.IncrementalAlterConfigs(context.Background(), request)
	if err != nil {
		return err
	}
	return answer.Resources[0].Error
}

func (s *segmentio) DeleteRecords(string, int64) error {
	return errors.New("kafka-go deletes no records")
}

func (s *segmentio) Groups() ([]string, error) {
	answer, err := s.client.ListGroups(context.Background(), &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, group := range answer.Groups {
		names = append(names, group.GroupID)
	}
	return names, answer.Error
}

func (s *segmentio) DescribeGroup(group string) (string, int, error) {
	answer, err := s.client.DescribeGroups(context.Background(), &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return "", 0, err
	}
	return answer.Groups[0].GroupState, len(answer.Groups[0].Members), answer.Groups[0].Error
}

func (s *segmentio) GroupOffsets(group, topic string) (map[int32]int64, error) {
	request := &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0, 1}}}
	answer, err := s.client.OffsetFetch(context.Background(), request)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, one := range answer.Topics[topic] {
		offsets[int32(one.Partition)] = one.CommittedOffset
	}
	return offsets, answer.Error
}

func (s *segmentio) SetGroupOffsets(group, topic string, offsets map[int32]int64) error {
	var wanted []kafka.OffsetCommit
	for partition, offset := range offsets {
		wanted = append(wanted, kafka.OffsetCommit{Partition: int(partition), Offset: offset})
	}
	request := &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: wanted},
	}
	answer, err := s.client.OffsetCommit(context.Background(), request)
	if err != nil {
		return err
	}
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return one.Error
		}
	}
	return nil
}

func (s *segmentio) DeleteGroup(group string) error {
	answer, err := s.client.DeleteGroups(context.Background(), &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}
