// Package wire turns Jupyter messages (messaging protocol 5.4) into signed multipart frames and back.
//
//	frames: routing idents … | <IDS|MSG> | signature | header | parent header | metadata | content | buffers …
//
// It is pure: no sockets (kernel/zmtp) and no knowledge of what a message asks for (kernel/front).
//
// Invariant: Decode returns a message only if its signature is right; the comparison takes the same time for every wrong one.
// Invariant: Decode never panics and keeps no more memory than its frames hold.
package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ProtocolVersion is the version of Jupyter's messaging protocol that the headers name.
const ProtocolVersion = "5.4"

// MaxFrames bounds the parts of one message, routing idents and buffers included.
const MaxFrames = 1024

var delimiter = []byte("<IDS|MSG>")

// ErrSignature is the error of a message whose signature does not fit the key.
var ErrSignature = errors.New("wire: bad signature")

// Header identifies a message.
type Header struct {
	ID       string `json:"msg_id"`
	Session  string `json:"session"`
	Username string `json:"username"`
	Date     string `json:"date"`
	Type     string `json:"msg_type"`
	Version  string `json:"version"`
	Subshell string `json:"subshell_id,omitempty"` // of the requests for a subshell
}

// Message is one Jupyter message. The zero value of Parent, Metadata and Content stands for {}.
type Message struct {
	Idents    [][]byte        // who sent it, or to whom it goes; the topic on iopub
	Header    Header          // decoded, and what Encode writes when RawHeader is nil
	RawHeader json.RawMessage // the header as received: the parent of what answers it
	Parent    json.RawMessage
	Metadata  json.RawMessage
	Content   json.RawMessage
	Buffers   [][]byte
}

// New makes a message of a type with its content, an answer to parent unless that is nil. It panics if content is no JSON.
func New(msgType, session string, parent json.RawMessage, content any) Message {
	body, err := json.Marshal(content)
	if err != nil {
		panic("wire: content of " + msgType + ": " + err.Error())
	}
	return Message{Header: NewHeader(msgType, session), Parent: parent, Content: body}
}

// NewHeader makes a header with a fresh id and the current time.
func NewHeader(msgType, session string) Header {
	return Header{ID: NewID(), Session: session, Username: "quire", Type: msgType, Version: ProtocolVersion,
		Date: time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")}
}

// NewID makes a random UUID (version 4), as front ends expect of message and session ids.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Codec signs and checks messages with one key. Goroutines may share it.
type Codec struct {
	key []byte
}

// NewCodec makes a codec for a connection's key and signature scheme. An empty key turns signing off, as Jupyter does.
func NewCodec(key, scheme string) (*Codec, error) {
	if key != "" && scheme != "" && scheme != "hmac-sha256" {
		return nil, fmt.Errorf("wire: signature scheme %q: only hmac-sha256 is supported", scheme)
	}
	return &Codec{key: []byte(key)}, nil
}

func (c *Codec) sign(parts [][]byte) []byte {
	if len(c.key) == 0 {
		return []byte{}
	}
	mac := hmac.New(sha256.New, c.key)
	for _, p := range parts {
		mac.Write(p)
	}
	return hex.AppendEncode(nil, mac.Sum(nil))
}

// Encode gives the frames of a message. The raw parts must hold JSON objects.
func (c *Codec) Encode(m Message) [][]byte {
	header := []byte(m.RawHeader)
	if header == nil {
		header, _ = json.Marshal(m.Header)
	}
	parts := [][]byte{header, object(m.Parent), object(m.Metadata), object(m.Content)}
	frames := make([][]byte, 0, len(m.Idents)+2+len(parts)+len(m.Buffers))
	frames = append(frames, m.Idents...)
	frames = append(frames, delimiter, c.sign(parts))
	frames = append(frames, parts...)
	return append(frames, m.Buffers...)
}

func object(raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return []byte("{}")
	}
	return raw
}

// Decode checks and reads the frames of a message; the result shares their memory.
func (c *Codec) Decode(frames [][]byte) (Message, error) {
	if len(frames) > MaxFrames {
		return Message{}, fmt.Errorf("wire: message of %d frames: at most %d are allowed", len(frames), MaxFrames)
	}
	at := 0
	for at < len(frames) && !bytes.Equal(frames[at], delimiter) {
		at++
	}
	rest := frames[min(at+1, len(frames)):]
	if len(rest) < 5 {
		return Message{}, fmt.Errorf("wire: truncated message: %d frames after the delimiter, 5 are needed", len(rest))
	}
	if !hmac.Equal(rest[0], c.sign(rest[1:5])) {
		return Message{}, ErrSignature
	}
	m := Message{Idents: frames[:at], RawHeader: rest[1], Parent: rest[2], Metadata: rest[3], Content: rest[4], Buffers: rest[5:]}
	if err := json.Unmarshal(m.RawHeader, &m.Header); err != nil {
		return Message{}, fmt.Errorf("wire: header: %v", err)
	}
	for name, raw := range map[string]json.RawMessage{"parent header": m.Parent, "metadata": m.Metadata, "content": m.Content} {
		if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) == 0 || raw[0] != '{' || !json.Valid(raw) {
			return Message{}, fmt.Errorf("wire: %s of %s is no JSON object", name, m.Header.Type)
		}
	}
	if m.Header.ID == "" || m.Header.Type == "" {
		return Message{}, errors.New("wire: header without msg_id or msg_type")
	}
	return m, nil
}

// ParentHeader decodes the header of the message that m answers; zero if it answers none.
func (m Message) ParentHeader() Header {
	var h Header
	if json.Unmarshal(object(m.Parent), &h) != nil {
		return Header{}
	}
	return h
}
