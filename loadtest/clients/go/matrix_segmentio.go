package main

// kafka-go, by segmentio.

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

type segmentio struct {
	address string
	client  *kafka.Client
}

func newSegmentio(address string) (Client, error) {
	return &segmentio{address, &kafka.Client{Addr: kafka.TCP(address), Timeout: callTime}}, nil
}

func (s *segmentio) Create(topic string, partitions int32) error {
	request := &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: int(partitions), ReplicationFactor: 1}},
	}
	answer, err := s.client.CreateTopics(context.Background(), request)
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (s *segmentio) Delete(topic string) error {
	answer, err := s.client.DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (s *segmentio) Partitions(topic string) (int, error) {
	// Not by the other client, which answers from what it knows; and for all topics, because asking for one creates it.
	conn, err := kafka.Dial("tcp", s.address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	partitions, err := conn.ReadPartitions()
	count := 0
	for _, one := range partitions {
		if one.Topic == topic {
			count++
		}
	}
	return count, err
}

// Its reader gives nil for both.
func (s *segmentio) TellsEmptyFromAbsent() bool { return false }

func (s *segmentio) Write(topic string, records []Record, codec string, _ bool) error {
	codecs := map[string]kafka.Compression{
		"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(s.address), Topic: topic, Compression: codecs[codec], RequiredAcks: kafka.RequireAll,
		BatchSize: 50, BatchTimeout: 5 * time.Millisecond,
		// Of its own: the common one remembers for some seconds how many partitions a topic has.
		Transport: &kafka.Transport{},
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
			return int(message.WriterData.(int32))
		}),
	}
	messages := make([]kafka.Message, len(records))
	for i, one := range records {
		messages[i] = kafka.Message{Key: one.Key, Value: one.Value, WriterData: one.Partition}
		for _, header := range one.Headers {
			messages[i].Headers = append(messages[i].Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		if one.Timestamp != 0 {
			messages[i].Time = time.UnixMilli(one.Timestamp)
		}
	}
	return errors.Join(writer.WriteMessages(context.Background(), messages...), writer.Close())
}

func (s *segmentio) OffsetAt(topic string, timestamp int64) (int64, error) {
	request := &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.TimeOffsetOf(0, time.UnixMilli(timestamp))}},
	}
	answer, err := s.client.ListOffsets(context.Background(), request)
	if err != nil {
		return -1, err
	}
	for _, partition := range answer.Topics[topic] {
		for offset := range partition.Offsets {
			return offset, partition.Error
		}
	}
	return -1, nil
}

// Readers of one partition each, or one that is a member of a group.
type segmentioPoller struct {
	readers  []*kafka.Reader
	latest   map[int]kafka.Message
	assigned atomic.Int64
}

func (s *segmentio) Reader(topic string, partitions int32) (Poller, error) {
	poller := &segmentioPoller{}
	for partition := range partitions {
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{s.address}, Topic: topic, Partition: int(partition), MaxWait: pollTime, MaxBytes: 4 << 20,
		})
		poller.readers = append(poller.readers, reader)
	}
	return poller, nil
}

func (s *segmentio) Member(group, topic string) (Poller, error) {
	poller := &segmentioPoller{latest: map[int]kafka.Message{}}
	// Which partitions it has, the reader says only in its log.
	log := func(text string, words ...any) {
		if strings.HasPrefix(text, "subscribed to topics and partitions") {
			poller.assigned.Store(int64(reflect.ValueOf(words[0]).Len()))
		}
	}
	poller.readers = []*kafka.Reader{kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{s.address}, GroupID: group, Topic: topic, MaxWait: pollTime, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 300 * time.Millisecond, Logger: kafka.LoggerFunc(log),
	})}
	return poller, nil
}

func (p *segmentioPoller) Poll() ([]Record, error) {
	var read []Record
	for _, reader := range p.readers {
		ctx, cancel := within(pollTime)
		for len(read) < 500 {
			message, err := reader.FetchMessage(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				cancel()
				return read, err
			}
			if p.latest != nil {
				p.latest[message.Partition] = message
			}
			read = append(read, segmentioRecord(message))
		}
		cancel()
	}
	return read, nil
}

func segmentioRecord(one kafka.Message) Record {
	record := Record{Partition: int32(one.Partition), Key: one.Key, Value: one.Value, Timestamp: one.Time.UnixMilli()}
	for _, header := range one.Headers {
		record.Headers = append(record.Headers, Header{header.Key, header.Value})
	}
	return record
}

func (p *segmentioPoller) Assigned() int {
	return int(p.assigned.Load())
}

func (p *segmentioPoller) Commit() error {
	for _, message := range p.latest {
		if err := p.readers[0].CommitMessages(context.Background(), message); err != nil {
			return err
		}
	}
	return nil
}

func (p *segmentioPoller) Close() error {
	var problems error
	for _, reader := range p.readers {
		problems = errors.Join(problems, reader.Close())
	}
	return problems
}
