// Package event writes TensorBoard event files: the curves and texts of a run, for whoever looks at it in TensorBoard.
//
// An event file is a sequence of TFRecords, each a protocol buffer of type tensorflow.Event, of which the few fields that scalars and
// texts need are written here. Sources: tensorflow/core/lib/io/record_writer.h (framing and masked CRC), tensorflow/core/util/event.proto
// and framework/summary.proto (fields).
//
// Invariant: a record is written with one write to the file, so a reader or a crash finds whole records, and at most one cut one at the end.
//
// Deliberately absent: images, histograms, graphs, and reading.
package event

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Writer appends events to a file. It is for one goroutine at a time.
type Writer struct {
	f *os.File
}

// Create starts a new event file in a directory, which TensorBoard reads after the others there: a resumed run adds one.
func Create(dir string) (*Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	now := time.Now()
	name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d.%d", now.Unix(), host, os.Getpid(), now.Nanosecond())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	w := &Writer{f: f}
	if err := w.write(appendBytes(wallTime(now), 3, "brain.Event:2")); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Scalars adds a point to each of these curves, in the order of their names.
func (w *Writer) Scalars(step int, values map[string]float64) error {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var summary []byte
	for _, name := range names {
		v := appendBytes(nil, 1, name)
		v = binary.LittleEndian.AppendUint32(append(v, 2<<3|fixed32), math.Float32bits(float32(values[name])))
		summary = appendBytes(summary, 1, string(v))
	}
	return w.summary(step, summary)
}

// Text adds a text, which may be Markdown, under a name.
func (w *Writer) Text(step int, name, text string) error {
	const dtString = 7
	tensor := appendBytes([]byte{1<<3 | varint, dtString, 2<<3 | bytes, 0}, 8, text) // a string, of shape []
	plugin := appendBytes(nil, 1, "text")
	v := appendBytes(nil, 1, name)
	v = appendBytes(v, 8, string(tensor))
	v = appendBytes(v, 9, string(appendBytes(nil, 1, string(plugin))))
	return w.summary(step, appendBytes(nil, 1, string(v)))
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

func (w *Writer) summary(step int, summary []byte) error {
	e := binary.AppendUvarint(append(wallTime(time.Now()), 2<<3|varint), uint64(step))
	return w.write(appendBytes(e, 5, string(summary)))
}

// write frames a record: length, its CRC, data, its CRC.
func (w *Writer) write(data []byte) error {
	r := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	r = binary.LittleEndian.AppendUint32(r, masked(r))
	r = append(r, data...)
	r = binary.LittleEndian.AppendUint32(r, masked(data))
	if _, err := w.f.Write(r); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return nil
}

// masked is the CRC-32C of data, rotated and shifted, because the CRC of data that holds its own CRC says little.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The wire types of protocol buffers.
const (
	varint  = 0
	fixed64 = 1
	bytes   = 2
	fixed32 = 5
)

// wallTime begins an event with its time.
func wallTime(t time.Time) []byte {
	seconds := float64(t.UnixNano()) / 1e9
	return binary.LittleEndian.AppendUint64([]byte{1<<3 | fixed64}, math.Float64bits(seconds))
}

// appendBytes appends a field of bytes, a string or a message.
func appendBytes(b []byte, field int, s string) []byte {
	b = binary.AppendUvarint(b, uint64(field<<3|bytes))
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
