package main

// sarama.

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type saramaClient struct {
	address string
	version sarama.KafkaVersion
	admin   sarama.ClusterAdmin
}

func (s *saramaClient) config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = s.version
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.MaxWaitTime = pollTime
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.Flush.MaxMessages = 50
	return config
}

func newSarama(address string) (Client, error) {
	return newSaramaAs(address, sarama.MaxVersion)
}

// As it is in programs that were written for Kafka 1.0 and never told of a newer one.
func newSaramaAs1(address string) (Client, error) {
	return newSaramaAs(address, sarama.V1_0_0_0)
}

func newSaramaAs(address string, version sarama.KafkaVersion) (Client, error) {
	client := &saramaClient{address: address, version: version}
	admin, err := sarama.NewClusterAdmin([]string{address}, client.config())
	client.admin = admin
	return client, err
}

func (s *saramaClient) Create(topic string, partitions int32) error {
	return s.admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func (s *saramaClient) Delete(topic string) error {
	return s.admin.DeleteTopic(topic)
}

func (s *saramaClient) Partitions(topic string) (int, error) {
	described, err := s.admin.DescribeTopics([]string{topic})
	if err != nil || len(described) != 1 || errors.Is(described[0].Err, sarama.ErrUnknownTopicOrPartition) {
		return 0, err
	}
	if described[0].Err != sarama.ErrNoError {
		return 0, described[0].Err
	}
	return len(described[0].Partitions), nil
}

func (s *saramaClient) TellsEmptyFromAbsent() bool { return true }

func (s *saramaClient) Write(topic string, records []Record, codec string, idempotent bool) error {
	config := s.config()
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return err
	}
	if idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewSyncProducer([]string{s.address}, config)
	if err != nil {
		return err
	}
	sent := make([]*sarama.ProducerMessage, len(records))
	for i, one := range records {
		sent[i] = &sarama.ProducerMessage{Topic: topic, Partition: one.Partition}
		if one.Key != nil {
			sent[i].Key = sarama.ByteEncoder(one.Key)
		}
		if one.Value != nil {
			sent[i].Value = sarama.ByteEncoder(one.Value)
		}
		for _, header := range one.Headers {
			sent[i].Headers = append(sent[i].Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		if one.Timestamp != 0 {
			sent[i].Timestamp = time.UnixMilli(one.Timestamp)
		}
	}
	return errors.Join(producer.SendMessages(sent), producer.Close())
}

func (s *saramaClient) OffsetAt(topic string, timestamp int64) (int64, error) {
	client, err := sarama.NewClient([]string{s.address}, s.config())
	if err != nil {
		return -1, err
	}
	defer client.Close()
	return client.GetOffset(topic, 0, timestamp)
}

// A reader or a member: messages come from goroutines, one for each partition.
type saramaPoller struct {
	messages chan saramaMessage
	mutex    sync.Mutex
	session  sarama.ConsumerGroupSession // Nil while there is none.
	problems chan error
	close    func() error
}

// A message and the session in which it was read; none outside groups.
type saramaMessage struct {
	message *sarama.ConsumerMessage
	session sarama.ConsumerGroupSession
}

func newSaramaPoller() *saramaPoller {
	return &saramaPoller{messages: make(chan saramaMessage), problems: make(chan error, 16)}
}

func (s *saramaClient) Reader(topic string, partitions int32) (Poller, error) {
	consumer, err := sarama.NewConsumer([]string{s.address}, s.config())
	if err != nil {
		return nil, err
	}
	poller := newSaramaPoller()
	// Goroutines that have more than was asked for end with the program.
	poller.close = func() error { return nil }
	for partition := range partitions {
		of, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			return nil, err
		}
		go func() {
			for message := range of.Messages() {
				poller.messages <- saramaMessage{message, nil}
			}
		}()
	}
	return poller, nil
}

func (s *saramaClient) Member(group, topic string) (Poller, error) {
	member, err := sarama.NewConsumerGroup([]string{s.address}, group, s.config())
	if err != nil {
		return nil, err
	}
	poller := newSaramaPoller()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := member.Consume(ctx, []string{topic}, poller); err != nil && ctx.Err() == nil {
				poller.problems <- err
				return
			}
		}
	}()
	poller.close = func() error {
		cancel()
		<-ended
		return member.Close()
	}
	return poller, nil
}

func (p *saramaPoller) Setup(session sarama.ConsumerGroupSession) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.session = session
	return nil
}

func (p *saramaPoller) Cleanup(sarama.ConsumerGroupSession) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.session = nil
	return nil
}

func (p *saramaPoller) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case p.messages <- saramaMessage{message, session}:
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (p *saramaPoller) Poll() ([]Record, error) {
	var read []Record
	wait := time.After(pollTime)
	for len(read) < 500 {
		select {
		case one := <-p.messages:
			if one.session != nil {
				one.session.MarkMessage(one.message, "")
			}
			read = append(read, saramaRecord(one.message))
		case err := <-p.problems:
			return read, err
		case <-wait:
			return read, nil
		}
	}
	return read, nil
}

func saramaRecord(one *sarama.ConsumerMessage) Record {
	record := Record{Partition: one.Partition, Key: one.Key, Value: one.Value, Timestamp: one.Timestamp.UnixMilli()}
	for _, header := range one.Headers {
		record.Headers = append(record.Headers, Header{string(header.Key), header.Value})
	}
	return record
}

func (p *saramaPoller) Assigned() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	count := 0
	if p.session != nil {
		for _, partitions := range p.session.Claims() {
			count += len(partitions)
		}
	}
	return count
}

func (p *saramaPoller) Commit() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.session == nil {
		return errors.New("no session to commit in")
	}
	p.session.Commit()
	return nil
}

func (p *saramaPoller) Close() error {
	return p.close()
}
