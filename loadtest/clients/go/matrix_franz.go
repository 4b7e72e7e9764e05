package main

// franz-go, with its admin package kadm.

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const pollTime = 100 * time.Millisecond
const callTime = 30 * time.Second

type franz struct {
	address string
	client  *kgo.Client
	admin   *kadm.Client
}

func newFranz(address string) (Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return nil, err
	}
	return &franz{address, client, kadm.NewClient(client)}, nil
}

func within(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func (f *franz) Create(topic string, partitions int32) error {
	ctx, cancel := within(callTime)
	defer cancel()
	_, err := f.admin.CreateTopic(ctx, partitions, 1, nil, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return errors.New("the topic exists")
	}
	return err
}

func (f *franz) Delete(topic string) error {
	ctx, cancel := within(callTime)
	defer cancel()
	answer, err := f.admin.DeleteTopics(ctx, topic)
	if err != nil {
		return err
	}
	return answer[topic].Err
}

func (f *franz) Partitions(topic string) (int, error) {
	ctx, cancel := within(callTime)
	defer cancel()
	// By a client of its own, since one answers from what it knows.
	fresh, err := kadm.NewOptClient(kgo.SeedBrokers(f.address))
	if err != nil {
		return 0, err
	}
	defer fresh.Close()
	topics, err := fresh.ListTopics(ctx)
	if err != nil || !topics.Has(topic) {
		return 0, err
	}
	return len(topics[topic].Partitions), topics[topic].Err
}

func (f *franz) TellsEmptyFromAbsent() bool { return true }

func (f *franz) Write(topic string, records []Record, codec string, idempotent bool) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(f.address), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerLinger(5 * time.Millisecond),
	}
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	producer, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer producer.Close()
	ctx, cancel := within(callTime)
	defer cancel()
	sent := make([]*kgo.Record, len(records))
	for i, one := range records {
		sent[i] = &kgo.Record{Topic: topic, Partition: one.Partition, Key: one.Key, Value: one.Value}
		for _, header := range one.Headers {
			sent[i].Headers = append(sent[i].Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		if one.Timestamp != 0 {
			sent[i].Timestamp = time.UnixMilli(one.Timestamp)
		}
	}
	return producer.ProduceSync(ctx, sent...).FirstErr()
}

type franzPoller struct {
	client   *kgo.Client
	assigned atomic.Int64
}

func (f *franz) Reader(topic string, partitions int32) (Poller, error) {
	offsets := map[int32]kgo.Offset{}
	for partition := range partitions {
		offsets[partition] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.address),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	return &franzPoller{client: client}, err
}

func (f *franz) Member(group, topic string) (Poller, error) {
	poller := &franzPoller{}
	// The balancer of this client is cooperative: it is told what is added and what is taken away.
	adds := func(sign int64) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			poller.assigned.Add(sign * int64(len(partitions[topic])))
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.address), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.OnPartitionsAssigned(adds(1)), kgo.OnPartitionsRevoked(adds(-1)), kgo.OnPartitionsLost(adds(-1)))
	poller.client = client
	return poller, err
}

func (f *franz) OffsetAt(topic string, timestamp int64) (int64, error) {
	ctx, cancel := within(callTime)
	defer cancel()
	listed, err := f.admin.ListOffsetsAfterMilli(ctx, timestamp, topic)
	if err != nil {
		return -1, err
	}
	found, _ := listed.Lookup(topic, 0)
	return found.Offset, found.Err
}

func (p *franzPoller) Poll() ([]Record, error) {
	ctx, cancel := within(pollTime)
	defer cancel()
	fetches := p.client.PollFetches(ctx)
	for _, failed := range fetches.Errors() {
		if !errors.Is(failed.Err, context.DeadlineExceeded) {
			return nil, failed.Err
		}
	}
	var read []Record
	fetches.EachRecord(func(one *kgo.Record) {
		record := Record{Partition: one.Partition, Key: one.Key, Value: one.Value, Timestamp: one.Timestamp.UnixMilli()}
		for _, header := range one.Headers {
			record.Headers = append(record.Headers, Header{header.Key, header.Value})
		}
		read = append(read, record)
	})
	return read, nil
}

func (p *franzPoller) Assigned() int {
	return int(p.assigned.Load())
}

func (p *franzPoller) Commit() error {
	ctx, cancel := within(callTime)
	defer cancel()
	return p.client.CommitUncommittedOffsets(ctx)
}

func (p *franzPoller) Close() error {
	p.client.Close()
	return nil
}
