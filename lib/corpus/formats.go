package corpus

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"quire/lib/corpus/internal/mapped"
)

// json reads JSON lines, or one array of records.
func (in *reading) json(r io.Reader, source string) error {
	br := bufio.NewReaderSize(r, 1<<20)
	if first, err := firstByte(br); err == io.EOF {
		return nil
	} else if err != nil {
		return err
	} else if first == '[' {
		return in.jsonArray(br, source)
	}
	if in.jsonl != nil {
		im, err := in.jsonl(br, source)
		in.merge(im)
		return err
	}
	p := newRecordParser(in.fields)
	for b, err := range lineBlocks(br) {
		if err != nil {
			return err
		}
		c := parseLines(p, b.lines, source, b.firstLine)
		recycled{}.Free(b.lines[:0:cap(b.lines)])
		for _, b := range c.bad {
			if err := in.bad(b.Source, "%s", b.Reason); err != nil {
				return emitError{err}
			}
		}
		if rec := c.record(); rec != nil {
			if err := in.batch(Batch{Record: rec}); err != nil {
				return err
			}
		}
	}
	return nil
}

// batch passes a batch's documents on. They alias it.
func (in *reading) batch(b Batch) error {
	for i := range b.Len() {
		if err := in.document(b.Doc(i)); err != nil {
			return err
		}
	}
	return nil
}

func (im *Import) merge(other Import) {
	im.Docs += other.Docs
	im.Bytes += other.Bytes
	im.Bad += other.Bad
	for _, b := range other.First {
		if len(im.First) < maxShown {
			im.First = append(im.First, b)
		}
	}
}

func firstByte(br *bufio.Reader) (byte, error) {
	for {
		b, err := br.ReadByte()
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n\ufeff"), rune(b)) {
			return b, br.UnreadByte()
		}
	}
}

func (in *reading) jsonArray(r io.Reader, source string) error {
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil {
		return err
	}
	p := newRecordParser(in.fields)
	for n := 1; d.More(); n++ {
		place := fmt.Sprintf("%s[%d]", source, n)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		doc, reason := p.parse(raw)
		if reason != "" {
			if err := in.bad(place, "%s", reason); err != nil {
				return emitError{err}
			}
			continue
		}
		doc.Source = place
		if err := in.document(cloned(doc)); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the array does not end: %w", err)
	}
	return nil
}

func cloned(d Document) Document {
	return Document{strings.Clone(d.ID), strings.Clone(d.Text), strings.Clone(d.Source), strings.Clone(d.Meta)}
}

// csv reads a table with a header line.
func (in *reading) csv(r io.Reader, source string, comma rune) error {
	t := csv.NewReader(r)
	t.Comma, t.ReuseRecord, t.FieldsPerRecord, t.LazyQuotes = comma, true, -1, true
	header, err := t.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	header = slices.Clone(header)
	idCol, textCol, err := in.fields.columns(header)
	if err != nil {
		return err
	}
	for {
		rec, err := t.Read()
		if err == io.EOF {
			return nil
		}
		line, _ := t.FieldPos(0)
		place := source + ":" + strconv.Itoa(line)
		switch {
		case errors.As(err, new(*csv.ParseError)):
			err = in.bad(place, "%v", err)
		case err != nil:
			return err
		case len(rec) != len(header):
			err = in.bad(place, "%d fields where the header has %d", len(rec), len(header))
		default:
			d := Document{Text: rec[textCol], Source: place}
			meta := map[string]string{}
			for i, v := range rec {
				switch i {
				case idCol:
					d.ID = v
				case textCol:
				default:
					meta[header[i]] = v
				}
			}
			d.Meta = metaJSON(meta)
			if err := in.document(d); err != nil {
				return err
			}
		}
		if err != nil {
			return emitError{err}
		}
	}
}

// columns finds the id's and the text's column; id is −1 for none.
func (f Fields) columns(header []string) (id, text int, err error) {
	find := func(given string, usual []string) int {
		if given != "" {
			usual = []string{given}
		}
		for _, name := range usual {
			if i := slices.Index(header, name); i >= 0 {
				return i
			}
		}
		return -1
	}
	id, text = find(f.ID, usualIDs), find(f.Text, usualTexts)
	if text < 0 {
		return 0, 0, fmt.Errorf("no column for the text among %s: name it in Fields.Text", strings.Join(header, ", "))
	}
	if id < 0 && f.ID != "" {
		return 0, 0, fmt.Errorf("no column %q among %s", f.ID, strings.Join(header, ", "))
	}
	return id, text, nil
}

// metaJSON is a JSON object with keys in order; "" for none.
func metaJSON[V any](meta map[string]V) string {
	if len(meta) == 0 {
		return ""
	}
	b, err := json.Marshal(meta)
	if err != nil { // maps of strings and of JSON values marshal
		panic(err)
	}
	return string(b)
}

// arrow reads a corpus, or any other Arrow file or stream whose columns the fields name, as the cache of Hugging Face's datasets is.
func (in *reading) arrow(name, source string) (err error) {
	defer recoverAs(&err, "broken Arrow file")
	if c, err := Open(name); err == nil {
		defer c.Close()
		for d, err := range c.Docs() {
			if err != nil {
				return err
			}
			if err := in.document(d); err != nil {
				return err
			}
		}
		return nil
	}
	data, unmap, err := mapped.File(name)
	if err != nil {
		return err
	}
	defer unmap()
	schema, blocks, end, err := arrowBlocks(data)
	if err != nil {
		return err
	}
	row := 0
	for i, b := range blocks {
		rec, err := b.record(data, schema, unpack)
		if err != nil {
			return fmt.Errorf("chunk %d of %d: %w", i, len(blocks), err)
		}
		if err := in.record(rec, nil, source, row); err != nil {
			return err
		}
		row += int(rec.NumRows())
	}
	return end
}

// record reads a table's rows, the first of which is number row. isJSON tells which columns hold JSON as binary values; nil for none.
func (in *reading) record(rec arrow.Record, isJSON []bool, source string, row int) error {
	if checkSchema(rec.Schema()) == nil && in.fields == (Fields{}) { // a corpus, exported
		b := Batch{Record: rec}
		for i := range b.Len() {
			if err := in.document(cloned(b.Doc(i))); err != nil {
				return err
			}
		}
		return nil
	}
	header := make([]string, rec.NumCols())
	for i := range header {
		header[i] = rec.ColumnName(i)
	}
	idCol, textCol, err := in.fields.columns(header)
	if err != nil {
		return err
	}
	text, ok := rec.Column(textCol).(array.StringLike)
	if isJSON != nil && isJSON[textCol] {
		return fmt.Errorf("column %q is nested, not text", header[textCol])
	}
	if !ok {
		return fmt.Errorf("column %q is %s, not text", header[textCol], rec.Column(textCol).DataType())
	}
	for i := range int(rec.NumRows()) {
		place := fmt.Sprintf("%s:%d", source, row+i+1)
		if text.IsNull(i) {
			if err := in.bad(place, "no text"); err != nil {
				return emitError{err}
			}
			continue
		}
		d := Document{Text: strings.Clone(text.Value(i)), Source: place}
		meta := map[string]any{}
		for ci, col := range rec.Columns() {
			switch ci {
			case idCol:
				d.ID = col.ValueStr(i)
			case textCol:
			default:
				if meta[header[ci]] = col.GetOneForMarshal(i); isJSON != nil && isJSON[ci] {
					meta[header[ci]] = json.RawMessage(col.(*array.Binary).Value(i))
				}
			}
		}
		d.Meta = metaJSON(meta)
		if err := in.document(d); err != nil {
			return err
		}
	}
	return nil
}
