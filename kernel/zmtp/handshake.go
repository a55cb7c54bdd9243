package zmtp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	greetingSize = 64
	maxReady     = 4096 // bytes of a READY command
	maxIdentity  = 255  // ZMTP 3.0: an identity is 1 to 255 octets
)

// accepts says which socket types may talk to each other.
var accepts = map[string][]string{
	"ROUTER": {"DEALER", "REQ", "ROUTER"},
	"XPUB":   {"SUB", "XSUB"},
	"REP":    {"REQ", "DEALER"},
	"DEALER": {"ROUTER", "DEALER", "REP"},
	"SUB":    {"PUB", "XPUB"},
	"REQ":    {"REP", "ROUTER"},
}

// greeting announces ZMTP 3.0 with the NULL mechanism.
func greeting() []byte {
	g := make([]byte, greetingSize)
	g[0], g[9], g[10] = 0xff, 0x7f, 3
	copy(g[12:], "NULL")
	return g
}

// ready is the READY command of a socket.
func ready(socketType, identity string) []byte {
	body := []byte("\x05READY")
	for _, p := range [][2]string{{"Socket-Type", socketType}, {"Identity", identity}} {
		body = append(append(body, byte(len(p[0]))), p[0]...)
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(p[1]))), p[1]...)
	}
	return appendFrame(nil, flagCommand, body)
}

// shake does the handshake over a new connection and returns the peer's identity, empty if it names none.
func shake(r *bufio.Reader, w io.Writer, socketType, identity string) (string, error) {
	if _, err := w.Write(greeting()); err != nil {
		return "", err
	}
	var g [greetingSize]byte
	if _, err := io.ReadFull(r, g[:10]); err != nil {
		return "", fmt.Errorf("zmtp: greeting: %w", err)
	}
	if g[0] != 0xff || g[9]&1 == 0 {
		return "", errors.New("zmtp: the peer does not speak ZMTP 3")
	}
	if _, err := io.ReadFull(r, g[10:]); err != nil {
		return "", fmt.Errorf("zmtp: greeting: %w", err)
	}
	if g[10] < 3 {
		return "", fmt.Errorf("zmtp: the peer speaks ZMTP %d, 3 is needed", g[10])
	}
	if mechanism := string(bytes.TrimRight(g[12:32], "\x00")); mechanism != "NULL" {
		return "", fmt.Errorf("zmtp: mechanism %q: only NULL is supported", mechanism)
	}
	if _, err := w.Write(ready(socketType, identity)); err != nil {
		return "", err
	}
	flags, body, err := readFrame(r, maxReady)
	if err != nil {
		return "", err
	}
	if flags&flagCommand == 0 {
		return "", errors.New("zmtp: a message before READY")
	}
	peerType, peerIdentity, err := parseReady(body)
	if err != nil {
		return "", err
	}
	if !slices.Contains(accepts[socketType], peerType) {
		return "", fmt.Errorf("zmtp: a %s peer cannot talk to a %s socket", peerType, socketType)
	}
	return peerIdentity, nil
}

// parseReady reads the properties of a READY command.
func parseReady(body []byte) (socketType, identity string, err error) {
	rest, ok := bytes.CutPrefix(body, []byte("\x05READY"))
	if !ok {
		if reason, isError := bytes.CutPrefix(body, []byte("\x05ERROR")); isError {
			return "", "", fmt.Errorf("zmtp: refused by the peer: %q", reason)
		}
		return "", "", errors.New("zmtp: handshake without READY")
	}
	for len(rest) > 0 {
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return "", "", errors.New("zmtp: READY: truncated property")
		}
		name := rest[1 : 1+n]
		size := binary.BigEndian.Uint32(rest[1+n:])
		rest = rest[1+n+4:]
		if uint64(size) > uint64(len(rest)) {
			return "", "", fmt.Errorf("zmtp: READY: property %q of %d bytes, %d are there", name, size, len(rest))
		}
		switch value := string(rest[:size]); {
		case bytes.EqualFold(name, []byte("Socket-Type")):
			socketType = value
		case bytes.EqualFold(name, []byte("Identity")):
			identity = value
		}
		rest = rest[size:]
	}
	if len(identity) > maxIdentity {
		return "", "", fmt.Errorf("zmtp: identity of %d bytes, at most %d are allowed", len(identity), maxIdentity)
	}
	return socketType, identity, nil
}
