package corpus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"

	"quire/lib/corpus/internal/mapped"
)

// Open maps an Arrow IPC file, or all *.arrow files of a folder in order of name, and returns its documents. Only the footer and the
// chunk headers are read: the text is paged in when it is looked at. Close the corpus to unmap it.
//
// The file is not trusted: a chunk whose buffers or offsets do not fit is an error when that chunk is used.
func Open(path string) (*Corpus, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if !info.IsDir() {
		return openFile(path)
	}
	names, err := filepath.Glob(filepath.Join(escapeGlob(path), "*.arrow"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("corpus: %s holds no *.arrow file: name a corpus file, or read the folder with corpus.Read", path)
	}
	slices.Sort(names)
	parts := make([]*Corpus, len(names))
	for i, name := range names {
		if parts[i], err = openFile(name); err != nil {
			for _, p := range parts[:i] {
				p.Close()
			}
			return nil, err
		}
	}
	return Concat(parts...)
}

func openFile(path string) (*Corpus, error) {
	data, unmap, err := mapped.File(path)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	c, err := openBytes(data)
	if err != nil {
		unmap()
		return nil, fmt.Errorf("corpus: %s: %w", path, err)
	}
	c.closer = sync.OnceValue(unmap)
	return c, nil
}

// openBytes reads the footer of an Arrow file held in memory. The corpus's chunks alias data.
func openBytes(data []byte) (c *Corpus, err error) {
	defer recoverAs(&err, "broken Arrow footer")
	if err := checkFooter(data); err != nil {
		return nil, err
	}
	r, err := ipc.NewFileReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := checkSchema(r.Schema()); err != nil {
		return nil, err
	}
	blocks, err := footerBlocks(data)
	if err != nil {
		return nil, err
	}
	c = &Corpus{schema: r.Schema()}
	for i, b := range blocks {
		n, err := b.numRows(data)
		if err != nil {
			return nil, fmt.Errorf("chunk %d: %w", i, err)
		}
		c.chunks = append(c.chunks, lazy(n, func() (arrow.Record, error) { return b.record(data, c.schema, nil) }))
		c.rows = append(c.rows, nil)
		c.n += n
	}
	return c, nil
}

var errDictionary = errors.New("dictionary columns are not read: write them as plain strings")

// block is the place of one record batch in an Arrow file: a message of meta bytes, then a body.
type block struct {
	offset     int64
	meta, body int64
}

var magic = []byte("ARROW1")

// continuation begins a message since Arrow 0.15.
const continuation = 0xFFFFFFFF

// Field numbers of Arrow's flatbuffers tables (format/File.fbs, Message.fbs), as vtable offsets.
const (
	footerSchema        = 4 + 2*1
	footerDictionaries  = 4 + 2*2
	footerRecordBatches = 4 + 2*3
	schemaFields        = 4 + 2*1
	schemaMetadata      = 4 + 2*2
	fieldChildren       = 4 + 2*5
	fieldMetadata       = 4 + 2*6
	messageHeader       = 4 + 2*2
	batchLength         = 4 + 2*0
	batchNodes          = 4 + 2*1
	batchBuffers        = 4 + 2*2
	batchCompression    = 4 + 2*3
	compressionCodec    = 4 + 2*0
)

// footer returns the file's last table.
func footer(data []byte) (*flatbuffers.Table, error) {
	end := len(data) - len(magic) - 4
	if end < len(magic) || !bytes.Equal(data[end+4:], magic) {
		return nil, errors.New("not an Arrow file: read other formats with corpus.Read")
	}
	size := int(binary.LittleEndian.Uint32(data[end:]))
	if size > end {
		return nil, fmt.Errorf("footer of %d bytes in a file of %d", size, len(data))
	}
	return rootTable(data[end-size : end]), nil
}

// checkFooter refuses what ipc.FileReader would believe: it allocates as many fields as a schema says it has.
func checkFooter(data []byte) (err error) {
	defer recoverAs(&err, "broken Arrow footer")
	f, err := footer(data)
	if err != nil {
		return err
	}
	if n, _, err := vector(f, footerDictionaries, 24); err != nil || n > 0 {
		return errors.Join(err, errDictionary)
	}
	return checkSchemaAt(f, footerSchema)
}

func checkSchemaAt(t *flatbuffers.Table, slot flatbuffers.VOffsetT) error {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return errors.New("file without a schema")
	}
	left := maxFields
	return checkFields(&flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o + t.Pos)}, schemaFields, schemaMetadata, &left, 0)
}

// Limits on a schema that is read: far above any corpus's columns.
const (
	maxFields = 10_000
	maxDepth  = 16
)

// checkFields checks the vectors of a schema's or field's table, and those of the fields in it.
func checkFields(t *flatbuffers.Table, fields, metadata flatbuffers.VOffsetT, left *int, depth int) error {
	if _, _, err := vector(t, metadata, 4); err != nil {
		return err
	}
	n, at, err := vector(t, fields, 4)
	if err != nil {
		return err
	}
	if *left -= n; *left < 0 || depth > maxDepth {
		return errors.New("schema with more fields than a corpus can have")
	}
	for i := range n {
		p := at + flatbuffers.UOffsetT(4*i)
		child := &flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(p)}
		if err := checkFields(child, fieldChildren, fieldMetadata, left, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// vector returns the length and place of a table's vector, checked to lie within the bytes; 0 for none.
func vector(t *flatbuffers.Table, slot flatbuffers.VOffsetT, elem int) (n int, at flatbuffers.UOffsetT, err error) {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return 0, 0, nil
	}
	n, at = t.VectorLen(o), t.Vector(o)
	if n < 0 || uint64(at)+uint64(n)*uint64(elem) > uint64(len(t.Bytes)) {
		return 0, 0, fmt.Errorf("a list of %d entries, more than there is room for", n)
	}
	return n, at, nil
}

// footerBlocks lists the record batches of the file.
func footerBlocks(data []byte) ([]block, error) {
	f, err := footer(data)
	if err != nil {
		return nil, err
	}
	n, at, err := vector(f, footerRecordBatches, 24) // offset int64, metaDataLength int32, padding, bodyLength int64
	if err != nil {
		return nil, err
	}
	end := len(data) - len(magic) - 4
	blocks := make([]block, n)
	for i := range blocks {
		p := at + flatbuffers.UOffsetT(i*24)
		b := block{f.GetInt64(p), int64(f.GetInt32(p + 8)), f.GetInt64(p + 16)}
		if b.offset < 0 || b.meta < 8 || b.body < 0 || b.offset > int64(end)-b.meta || b.offset+b.meta > int64(end)-b.body {
			return nil, fmt.Errorf("chunk %d lies outside the file", i)
		}
		blocks[i] = b
	}
	return blocks, nil
}

// batch returns the RecordBatch table of the block's message.
func (b block) batch(data []byte) (*flatbuffers.Table, error) {
	msg := data[b.offset : b.offset+b.meta]
	if binary.LittleEndian.Uint32(msg) == continuation {
		msg = msg[4:]
	}
	table := rootTable(msg[4:])
	o := flatbuffers.UOffsetT(table.Offset(messageHeader))
	if o == 0 {
		return nil, errors.New("message without a header")
	}
	rb := new(flatbuffers.Table)
	table.Union(rb, o)
	return rb, nil
}

func (b block) numRows(data []byte) (n int, err error) {
	defer recoverAs(&err, "broken chunk header")
	rb, err := b.batch(data)
	if err != nil {
		return 0, err
	}
	length := rb.GetInt64Slot(batchLength, 0)
	if length < 0 || length > b.body {
		return 0, fmt.Errorf("%d rows in a body of %d bytes", length, b.body)
	}
	return int(length), nil
}

// record makes the arrays of the batch over the mapped bytes. Compressed ones are refused where there is no unpack.
func (b block) record(data []byte, schema *arrow.Schema, unpack func(codec byte, buffer []byte) ([]byte, error)) (rec arrow.Record, err error) {
	defer recoverAs(&err, "broken chunk")
	rb, err := b.batch(data)
	if err != nil {
		return nil, err
	}
	layout := layout{table: rb, body: data[b.offset+b.meta : b.offset+b.meta+b.body]}
	if o := flatbuffers.UOffsetT(rb.Offset(batchCompression)); o != 0 {
		if unpack == nil {
			return nil, errors.New("compressed chunk cannot be mapped: read the file with corpus.Build")
		}
		how := flatbuffers.Table{Bytes: rb.Bytes, Pos: rb.Indirect(o + rb.Pos)}
		codec := how.GetByteSlot(compressionCodec, 0)
		layout.unpack = func(buffer []byte) ([]byte, error) { return unpack(codec, buffer) }
	}
	cols := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		d, err := layout.next(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		if err := validate(d); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		cols[i] = array.MakeFromData(d)
	}
	n := rb.GetInt64Slot(batchLength, 0)
	return array.NewRecord(schema, cols, n), nil
}

// layout deals out the nodes and buffers of a record batch, in the depth-first order of Arrow's columnar format.
type layout struct {
	table        *flatbuffers.Table
	body         []byte
	unpack       func(buffer []byte) ([]byte, error) // nil where buffers are as they are
	node, buffer int
}

func (l *layout) next(t arrow.DataType) (arrow.ArrayData, error) {
	count, at, err := vector(l.table, batchNodes, 16)
	if err != nil || l.node >= count {
		return nil, errors.Join(err, errors.New("chunk has fewer arrays than the schema"))
	}
	p := at + flatbuffers.UOffsetT(l.node*16)
	l.node++
	n, nulls := l.table.GetInt64(p), l.table.GetInt64(p+8)
	if n < 0 || n > int64(len(l.body)) && l.unpack == nil || nulls < 0 || nulls > n {
		return nil, fmt.Errorf("%d rows with %d nulls in a body of %d bytes", n, nulls, len(l.body))
	}
	var buffers []*memory.Buffer
	for range numBuffers(t) {
		b, err := l.nextBuffer()
		if err != nil {
			return nil, err
		}
		buffers = append(buffers, b)
	}
	if nulls == 0 && len(buffers) > 0 {
		buffers[0] = nil
	}
	var children []arrow.ArrayData
	if nested, ok := t.(arrow.NestedType); ok {
		for _, f := range nested.Fields() {
			child, err := l.next(f.Type)
			if err != nil {
				return nil, err
			}
			children = append(children, child)
		}
	}
	return array.NewData(t, int(n), buffers, children, int(nulls), 0), nil
}

func (l *layout) nextBuffer() (*memory.Buffer, error) {
	count, vec, err := vector(l.table, batchBuffers, 16)
	if err != nil || l.buffer >= count {
		return nil, errors.Join(err, errors.New("chunk has fewer buffers than the schema"))
	}
	p := vec + flatbuffers.UOffsetT(l.buffer*16)
	l.buffer++
	at, n := l.table.GetInt64(p), l.table.GetInt64(p+8)
	if at < 0 || n < 0 || at > int64(len(l.body)) || n > int64(len(l.body))-at {
		return nil, fmt.Errorf("buffer at %d of %d bytes outside a body of %d", at, n, len(l.body))
	}
	buffer := l.body[at : at+n : at+n]
	if l.unpack != nil {
		if buffer, err = l.unpack(buffer); err != nil {
			return nil, err
		}
	}
	return memory.NewBufferBytes(buffer), nil
}

// numBuffers returns how many buffers an array of the type has itself.
func numBuffers(t arrow.DataType) int {
	switch t.ID() {
	case arrow.NULL:
		return 0
	case arrow.STRUCT, arrow.FIXED_SIZE_LIST:
		return 1
	case arrow.STRING, arrow.BINARY, arrow.LARGE_STRING, arrow.LARGE_BINARY:
		return 3
	default:
		return 2
	}
}

// validate checks that every buffer is as long as its array needs and that offsets ascend within their values, so that no later
// access can leave the file.
func validate(d arrow.ArrayData) error {
	n := d.Len()
	bufs := d.Buffers()
	size := func(i int) int {
		if i >= len(bufs) || bufs[i] == nil {
			return 0
		}
		return bufs[i].Len()
	}
	if d.NullN() > 0 && size(0) < (n+7)/8 {
		return fmt.Errorf("validity of %d bytes for %d rows", size(0), n)
	}
	switch t := d.DataType().(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return offsetsFit(arrow.Int32Traits.CastFromBytes(bytesOf(bufs[1])), n, size(2))
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return offsetsFit(arrow.Int64Traits.CastFromBytes(bytesOf(bufs[1])), n, size(2))
	case *arrow.ListType, *arrow.MapType:
		child := d.Children()[0]
		if err := offsetsFit(arrow.Int32Traits.CastFromBytes(bytesOf(bufs[1])), n, child.Len()); err != nil {
			return err
		}
		return validate(child)
	case *arrow.LargeListType:
		child := d.Children()[0]
		if err := offsetsFit(arrow.Int64Traits.CastFromBytes(bytesOf(bufs[1])), n, child.Len()); err != nil {
			return err
		}
		return validate(child)
	case *arrow.FixedSizeListType:
		child := d.Children()[0]
		if t.Len() < 0 || t.Len() > 0 && child.Len()/int(t.Len()) < n {
			return fmt.Errorf("%d values for %d lists of %d", child.Len(), n, t.Len())
		}
		return validate(child)
	case *arrow.StructType:
		for _, child := range d.Children() {
			if child.Len() < n {
				return fmt.Errorf("%d values for %d structs", child.Len(), n)
			}
			if err := validate(child); err != nil {
				return err
			}
		}
		return nil
	case *arrow.NullType:
		return nil
	case arrow.FixedWidthDataType:
		if d.DataType().ID() == arrow.DICTIONARY {
			return errDictionary
		}
		if size(1) < (n*t.BitWidth()+7)/8 {
			return fmt.Errorf("%d bytes for %d values of %s", size(1), n, t)
		}
		return nil
	default:
		return fmt.Errorf("columns of type %s are not read: write them as plain values, lists or structs", t)
	}
}

func bytesOf(b *memory.Buffer) []byte {
	if b == nil {
		return nil
	}
	return b.Bytes()
}

func offsetsFit[T int32 | int64](offsets []T, n, limit int) error {
	if n == 0 {
		return nil
	}
	if len(offsets) < n+1 {
		return fmt.Errorf("%d offsets for %d rows", len(offsets), n)
	}
	last := T(0)
	for i, o := range offsets[:n+1] {
		if o < last {
			return fmt.Errorf("offset %d of row %d goes back", o, i)
		}
		last = o
	}
	if int64(last) > int64(limit) {
		return fmt.Errorf("offsets end at %d, values at %d", last, limit)
	}
	return nil
}

func rootTable(buf []byte) *flatbuffers.Table {
	return &flatbuffers.Table{Bytes: buf, Pos: flatbuffers.GetUOffsetT(buf)}
}

// recoverAs turns a panic of the flatbuffers accessors, which index what the file told them to, into an error.
func recoverAs(err *error, what string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: %v", what, r)
	}
}
