package corpus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// More field numbers of Arrow's tables, as vtable offsets, and kinds of messages: see mapped.go.
const (
	messageKind = 4 + 2*1
	messageBody = 4 + 2*3

	kindDictionary = 2
	kindBatch      = 3
)

// arrowBlocks finds the record batches of a file or a stream. Package ipc reads the schema alone: it makes room for as many bytes as a
// batch says that it has. end is what is wrong behind the last batch, nil where nothing is.
func arrowBlocks(data []byte) (schema *arrow.Schema, blocks []block, end, err error) {
	if !bytes.HasPrefix(data, magic) {
		return streamBlocks(data)
	}
	if err := checkFooter(data); err != nil {
		return nil, nil, nil, err
	}
	r, err := ipc.NewFileReader(bytes.NewReader(data))
	if err != nil {
		return nil, nil, nil, err
	}
	defer r.Close()
	blocks, err = footerBlocks(data)
	return r.Schema(), blocks, nil, err
}

// streamBlocks walks the messages of a stream, the first of which holds the schema.
func streamBlocks(data []byte) (schema *arrow.Schema, blocks []block, end, err error) {
	first, message, err := messageAt(data, 0)
	if err == nil {
		err = checkSchemaAt(message, messageHeader)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("not an Arrow stream: %w", err)
	}
	at := first.offset + first.meta + first.body
	r, err := ipc.NewReader(bytes.NewReader(data[:at]))
	if err != nil {
		return nil, nil, nil, err
	}
	defer r.Release()
	for at < int64(len(data)) {
		b, message, err := messageAt(data, at)
		if err != nil || message == nil {
			return r.Schema(), blocks, err, nil
		}
		switch message.GetByteSlot(messageKind, 0) {
		case kindBatch:
			blocks = append(blocks, b)
		case kindDictionary:
			return nil, nil, nil, errDictionary
		}
		at = b.offset + b.meta + b.body
	}
	return r.Schema(), blocks, nil, nil
}

// messageAt returns the message that begins at a byte, checked to lie within data; nil for the end that a stream may have.
func messageAt(data []byte, at int64) (b block, message *flatbuffers.Table, err error) {
	defer recoverAs(&err, "broken message")
	size, prefix := binary.LittleEndian.Uint32(data[at:]), int64(4)
	if size == continuation {
		size, prefix = binary.LittleEndian.Uint32(data[at+4:]), 8
	}
	if size == 0 {
		return b, nil, nil
	}
	b = block{offset: at, meta: prefix + int64(size)}
	if left := int64(len(data)) - at; b.meta > left {
		return b, nil, fmt.Errorf("a message of %d bytes where %d are left: the stream was cut off", size, left-prefix)
	}
	message = rootTable(data[at+prefix : at+b.meta])
	b.body = message.GetInt64Slot(messageBody, 0)
	if left := int64(len(data)) - at - b.meta; b.body < 0 || b.body > left {
		return b, nil, fmt.Errorf("%d bytes of values where %d are left: the stream was cut off", b.body, left)
	}
	return b, message, nil
}

// maxBuffer is the largest compressed buffer that is unpacked: the bytes of a column of strings.
const maxBuffer = 1<<31 - 1

// Codecs of Arrow's compressed buffers.
const (
	codecLZ4  = 0
	codecZstd = 1
)

// unpack returns the content of a compressed buffer, which begins with its length; −1 says that the rest is as it is.
func unpack(codec byte, buffer []byte) ([]byte, error) {
	if len(buffer) == 0 {
		return nil, nil
	}
	if len(buffer) < 8 {
		return nil, fmt.Errorf("a compressed buffer of %d bytes", len(buffer))
	}
	size, packed := int64(binary.LittleEndian.Uint64(buffer)), buffer[8:]
	switch {
	case size == -1:
		return packed, nil
	case size < 0 || size > maxBuffer:
		return nil, fmt.Errorf("a compressed buffer of %d bytes, unpacked", size)
	case codec > codecZstd:
		return nil, fmt.Errorf("compressed by the unknown method %d", codec)
	}
	var r io.Reader = lz4.NewReader(bytes.NewReader(packed))
	if codec == codecZstd {
		z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBuffer))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	}
	var out bytes.Buffer // grows with what is there, whatever the length says
	if n, err := io.Copy(&out, io.LimitReader(r, size)); err != nil || n != size {
		return nil, fmt.Errorf("%d of %d bytes unpacked: %w", n, size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	return out.Bytes(), nil
}
