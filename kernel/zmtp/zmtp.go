// Package zmtp speaks ZMTP 3.0 (ZeroMQ message transport, rfc.zeromq.org/spec/23) over tcp and ipc, as far as a Jupyter kernel
// needs it: the NULL mechanism; ROUTER, XPUB and REP sockets that listen; DEALER, SUB and REQ connections for tests and benchmarks.
//
//	accept → greeting, READY (handshake.go) → frames (frame.go) → Router.Receive / Pub's subscriptions / Echo
//	Router.Send, Pub.Publish → one bounded queue per peer (peer.go) → write with a deadline
//
// A peer that does not take its messages within Config.WriteTimeout, or lets Config.QueueBytes or QueueMessages pile up, is
// disconnected; ZeroMQ peers then reconnect by themselves and, subscribing again, get Config.Welcome.
//
// Invariant: no peer can delay another one or the caller of Send or Publish.
// Invariant: memory per peer is bounded by one message of Config.MaxMessage in and QueueBytes out.
// Invariant: bad input ends its own connection, with a reason in the log, and nothing else.
//
// Absent on purpose: CURVE and PLAIN (Jupyter signs its messages), ZMTP 1 and 2 peers, reconnecting clients.
package zmtp

import (
	"log/slog"
	"time"
)

// Config bounds what peers may cost. Start from DefaultConfig.
type Config struct {
	MaxMessage       int           // bytes of one message, all frames together
	MaxFrames        int           // frames of one message
	QueueBytes       int           // bytes waiting for one peer
	QueueMessages    int           // messages waiting for one peer
	WriteTimeout     time.Duration // for up to writeChunk bytes
	HandshakeTimeout time.Duration // from accept to READY
	Log              *slog.Logger  // gets a line for each peer that misbehaves
	// Welcome gives the messages that a peer gets when it subscribes to a topic, before any later one. Nil for none.
	Welcome func(topic string) [][][]byte
}

// DefaultConfig allows messages of 256 MiB and 64 MiB waiting for a peer.
func DefaultConfig() Config {
	return Config{
		MaxMessage: 256 << 20, MaxFrames: 1024, QueueBytes: 64 << 20, QueueMessages: 16384,
		WriteTimeout: 10 * time.Second, HandshakeTimeout: 10 * time.Second, Log: slog.Default(),
	}
}
