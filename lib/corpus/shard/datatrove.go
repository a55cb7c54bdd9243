package shard

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"strconv"

	"quire/lib/corpus/internal/mapped"
	"quire/lib/corpus/internal/whole"
)

// ReadDatatrove walks the documents of a datatrove token file: x.ds, ids of two or four bytes; x.ds.index, where each document ends,
// uint64; and, where it is there, x.ds.loss, a byte a token, 0 where it is no target. What it yields is valid until the next.
func ReadDatatrove(path string) iter.Seq2[Tokens, error] {
	return func(yield func(Tokens, error) bool) {
		if err := readDatatrove(path, yield); err != nil {
			yield(Tokens{}, fmt.Errorf("shard: %s: %w", path, err))
		}
	}
}

func readDatatrove(path string, yield func(Tokens, error) bool) error {
	var parts [3][]byte
	for i, suffix := range []string{"", ".index", ".loss"} {
		data, unmap, err := mapped.File(path + suffix)
		if suffix == ".loss" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer unmap()
		parts[i] = data
	}
	return eachDatatrove(path, parts[0], parts[1], parts[2], yield)
}

// eachDatatrove walks files held in memory. loss is nil where there is none.
func eachDatatrove(path string, tokens, index, loss []byte, yield func(Tokens, error) bool) error {
	if len(index)%8 != 0 {
		return fmt.Errorf("an index of %d bytes, no multiple of 8: it was cut off", len(index))
	}
	total := uint64(0)
	if len(index) > 0 {
		total = binary.LittleEndian.Uint64(index[len(index)-8:])
	}
	width := uint64(2)
	if total > 0 && total == uint64(len(tokens))/4 {
		width = 4
	}
	if total > math.MaxInt64/4 || total*width != uint64(len(tokens)) {
		return fmt.Errorf("%d bytes of tokens, and the index ends at %d: neither two nor four bytes each", len(tokens), total)
	}
	if loss != nil && uint64(len(loss)) != total {
		return fmt.Errorf("a loss mask of %d bytes for %d tokens", len(loss), total)
	}
	if err := ascending(index, total); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	s := Shard{tokens: tokens, ends: index, width: int(width)}
	var d Tokens
	for i := range s.Docs() {
		start, _ := s.Doc(i)
		d.ID, d.IDs = path+":"+strconv.Itoa(i+1), s.Append(d.IDs[:0], i)
		if loss != nil {
			d.Loss = lossOf(len(d.IDs), func(k int) bool { return loss[start+int64(k)] != 0 })
		}
		if !yield(d, nil) {
			return nil
		}
	}
	return nil
}

// WriteDatatrove writes documents as datatrove's tokenizer does: path, which should end in .ds, with .index, .metadata and, where
// documents have tokens that are no targets, .loss beside it. Options give the width of a token and, as Meta["tokenizer"], a name.
func WriteDatatrove(path string, o Options, docs iter.Seq2[Tokens, error]) error {
	var w Writer
	if err := w.setVocab(o.VocabSize); err != nil {
		return err
	}
	f, err := whole.Create(path)
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	defer f.Abort()
	mask, err := whole.Create(path + ".loss")
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	defer mask.Abort()
	masked := false
	for d, err := range docs {
		if err == nil {
			err = w.encode(d.ID, d.IDs)
		}
		if err != nil {
			return err
		}
		f.Write(w.scratch)
		w.tokens += int64(len(d.IDs))
		w.ends = binary.LittleEndian.AppendUint64(w.ends, uint64(w.tokens))
		masked = masked || d.Loss != nil
		for i := range d.IDs {
			one := byte(1)
			if d.Loss != nil && !d.Loss[i] {
				one = 0
			}
			mask.WriteByte(one)
		}
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("shard: writing %s: %w", path, err)
	}
	if masked {
		if err := mask.Commit(); err != nil {
			return fmt.Errorf("shard: writing %s.loss: %w", path, err)
		}
	}
	about := fmt.Sprintf("%s|%d\n%d\n%s", cmp.Or(o.Meta["tokenizer"], "Unknown Tokenizer"), w.width, w.tokens, metric(w.tokens))
	return errors.Join(writeAll(path+".metadata", []byte(about)), writeAll(path+".index", w.ends))
}

// metric writes a number of tokens to three digits, as Python's humanize.metric(n, unit="T") does: 1.23 GT.
func metric(n int64) string {
	exponent := 0
	if n > 0 {
		exponent = int(math.Floor(math.Log10(float64(n))))
	}
	unit := []string{"", "k", "M", "G", "T", "P", "E"}[exponent/3]
	return fmt.Sprintf("%.*f %sT", 2-exponent%3, float64(n)/math.Pow10(exponent/3*3), unit)
}
