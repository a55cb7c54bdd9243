package zmtp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bits of a frame's first byte.
const (
	flagMore    = 1 // another frame of the message follows
	flagLong    = 2 // the size has 8 bytes instead of 1
	flagCommand = 4
)

// appendFrame appends a frame to dst.
func appendFrame(dst []byte, flags byte, body []byte) []byte {
	if len(body) > 255 {
		dst = binary.BigEndian.AppendUint64(append(dst, flags|flagLong), uint64(len(body)))
	} else {
		dst = append(dst, flags, byte(len(body)))
	}
	return append(dst, body...)
}

// encode gives the bytes of a message.
func encode(frames [][]byte) []byte {
	size := 0
	for _, f := range frames {
		size += len(f) + 9
	}
	dst := make([]byte, 0, size)
	for i, f := range frames {
		flags := byte(flagMore)
		if i == len(frames)-1 {
			flags = 0
		}
		dst = appendFrame(dst, flags, f)
	}
	return dst
}

// readFrame reads a frame of at most limit bytes; memory grows only with what has arrived.
func readFrame(r *bufio.Reader, limit int) (flags byte, body []byte, err error) {
	if flags, err = r.ReadByte(); err != nil {
		return 0, nil, err
	}
	if flags&^(flagMore|flagLong|flagCommand) != 0 || flags&flagCommand != 0 && flags&flagMore != 0 {
		return 0, nil, fmt.Errorf("zmtp: frame with flags %#x", flags)
	}
	var size uint64
	if flags&flagLong != 0 {
		var b [8]byte
		_, err = io.ReadFull(r, b[:])
		size = binary.BigEndian.Uint64(b[:])
	} else {
		var b byte
		b, err = r.ReadByte()
		size = uint64(b)
	}
	if err != nil {
		return 0, nil, unexpected(err)
	}
	if size > uint64(limit) {
		return 0, nil, fmt.Errorf("zmtp: oversized frame: %d bytes where at most %d are allowed", size, limit)
	}
	body, err = readBody(r, int(size))
	return flags, body, unexpected(err)
}

const trusted = 1 << 20 // bytes allocated on the word of a size alone

func readBody(r io.Reader, size int) ([]byte, error) {
	if size <= trusted {
		body := make([]byte, size)
		_, err := io.ReadFull(r, body)
		return body, err
	}
	var buf bytes.Buffer
	if n, err := io.CopyN(&buf, r, int64(size)); err != nil {
		return nil, fmt.Errorf("zmtp: frame of %d bytes ended after %d: %w", size, n, err)
	}
	return buf.Bytes(), nil
}

// unexpected makes the end of input inside a frame an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
