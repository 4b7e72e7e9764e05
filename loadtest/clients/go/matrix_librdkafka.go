//go:build old

package main

// librdkafka 1.8, the oldest that Kafka 4 takes, by the Go client that brings it along. Newer ones are in the matrix by other
// languages, so this is built with the older releases only.

import (
	"context"
	"errors"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

func init() {
	clients["confluent-kafka-go"] = known{newLibrdkafka, "github.com/confluentinc/confluent-kafka-go"}
}

type librdkafka struct {
	address string
	admin   *kafka.AdminClient
}

func newLibrdkafka(address string) (Client, error) {
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": address})
	return &librdkafka{address, admin}, err
}

// The first result that is an error.
func refusedTopic(results []kafka.TopicResult, err error) error {
	for _, result := range results {
		if result.Error.Code() != kafka.ErrNoError {
			return result.Error
		}
	}
	return err
}

func (l *librdkafka) Create(topic string, partitions int32) error {
	wanted := kafka.TopicSpecification{Topic: topic, NumPartitions: int(partitions), ReplicationFactor: 1}
	return refusedTopic(l.admin.CreateTopics(context.Background(), []kafka.TopicSpecification{wanted}))
}

func (l *librdkafka) Delete(topic string) error {
	return refusedTopic(l.admin.DeleteTopics(context.Background(), []string{topic}))
}

func (l *librdkafka) Partitions(topic string) (int, error) {
	// All topics: asking for one by name would create it.
	found, err := l.admin.GetMetadata(nil, true, int(callTime.Milliseconds()))
	if err != nil {
		return 0, err
	}
	return len(found.Topics[topic].Partitions), nil
}

func (l *librdkafka) TellsEmptyFromAbsent() bool { return true }

func (l *librdkafka) Write(topic string, records []Record, codec string, idempotent bool) error {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": l.address, "compression.type": codec, "enable.idempotence": idempotent,
		"linger.ms": 5, "batch.num.messages": 50,
	})
	if err != nil {
		return err
	}
	defer producer.Close()
	delivered := make(chan kafka.Event, len(records))
	for _, one := range records {
		message := &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: one.Partition}, Key: one.Key, Value: one.Value,
		}
		for _, header := range one.Headers {
			message.Headers = append(message.Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		if one.Timestamp != 0 {
			message.Timestamp = time.UnixMilli(one.Timestamp)
		}
		if err := producer.Produce(message, delivered); err != nil {
			return err
		}
	}
	for range records {
		if err := (<-delivered).(*kafka.Message).TopicPartition.Error; err != nil {
			return err
		}
	}
	return nil
}

type librdkafkaPoller struct {
	consumer *kafka.Consumer
}

func (l *librdkafka) consumer(group string) (*kafka.Consumer, error) {
	return kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": l.address, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": false,
		"heartbeat.interval.ms": 300,
	})
}

func (l *librdkafka) Reader(topic string, partitions int32) (Poller, error) {
	consumer, err := l.consumer("none")
	if err != nil {
		return nil, err
	}
	var all []kafka.TopicPartition
	for partition := range partitions {
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: partition, Offset: kafka.OffsetBeginning})
	}
	return &librdkafkaPoller{consumer}, consumer.Assign(all)
}

func (l *librdkafka) Member(group, topic string) (Poller, error) {
	consumer, err := l.consumer(group)
	if err != nil {
		return nil, err
	}
	return &librdkafkaPoller{consumer}, consumer.Subscribe(topic, nil)
}

func (l *librdkafka) OffsetAt(topic string, timestamp int64) (int64, error) {
	consumer, err := l.consumer("none")
	if err != nil {
		return -1, err
	}
	defer consumer.Close()
	wanted := kafka.TopicPartition{Topic: &topic, Offset: kafka.Offset(timestamp)}
	found, err := consumer.OffsetsForTimes([]kafka.TopicPartition{wanted}, int(callTime.Milliseconds()))
	if err != nil {
		return -1, err
	}
	return int64(found[0].Offset), found[0].Error
}

func (p *librdkafkaPoller) Poll() ([]Record, error) {
	var read []Record
	for wait := int(pollTime.Milliseconds()); len(read) < 500; wait = 0 {
		switch event := p.consumer.Poll(wait).(type) {
		case nil:
			return read, nil
		case kafka.Error:
			return read, event
		case *kafka.Message:
			record := Record{
				Partition: event.TopicPartition.Partition, Key: event.Key, Value: event.Value,
				Timestamp: event.Timestamp.UnixMilli(),
			}
			for _, header := range event.Headers {
				record.Headers = append(record.Headers, Header{header.Key, header.Value})
			}
			read = append(read, record)
		}
	}
	return read, nil
}

func (p *librdkafkaPoller) Assigned() int {
	assignment, err := p.consumer.Assignment()
	if err != nil {
		return 0
	}
	return len(assignment)
}

func (p *librdkafkaPoller) Commit() error {
	_, err := p.consumer.Commit()
	return err
}

func (p *librdkafkaPoller) Close() error {
	return p.consumer.Close()
}

func (l *librdkafka) AddPartitions(topic string, count int32) error {
	wanted := kafka.PartitionsSpecification{Topic: topic, IncreaseTo: int(count)}
	return refusedTopic(l.admin.CreatePartitions(context.Background(), []kafka.PartitionsSpecification{wanted}))
}

func (l *librdkafka) Config(topic, name string) (string, error) {
	wanted := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: topic}
	results, err := l.admin.DescribeConfigs(context.Background(), []kafka.ConfigResource{wanted})
	if err != nil {
		return "", err
	}
	return results[0].Config[name].Value, nil
}

func (l *librdkafka) SetConfig(topic, name, value string) error {
	entry := kafka.ConfigEntry{Name: name, Value: value, Operation: kafka.AlterOperationSet}
	wanted := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: topic, Config: []kafka.ConfigEntry{entry}}
	results, err := l.admin.AlterConfigs(context.Background(), []kafka.ConfigResource{wanted})
	if err == nil && results[0].Error.Code() != kafka.ErrNoError {
		return results[0].Error
	}
	return err
}

var errAbsent = errors.New("its Go client has no such call")

func (l *librdkafka) DeleteRecords(string, int64) error                     { return errAbsent }
func (l *librdkafka) Groups() ([]string, error)                             { return nil, errAbsent }
func (l *librdkafka) DescribeGroup(string) (string, int, error)             { return "", 0, errAbsent }
func (l *librdkafka) GroupOffsets(string, string) (map[int32]int64, error)  { return nil, errAbsent }
func (l *librdkafka) SetGroupOffsets(string, string, map[int32]int64) error { return errAbsent }
func (l *librdkafka) DeleteGroup(string) error                              { return errAbsent }
