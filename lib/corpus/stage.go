package corpus

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/zeebo/xxh3"

	"quire/lib/corpus/internal/ordered"
	"quire/lib/corpus/internal/whole"
)

// Stage is a step from one corpus to the next that may be killed at any time: operators add columns, Drop leaves documents out, and
// what is left is written chunk by chunk into a folder. A second Run finds the chunks that are there and makes the others.
//
// The result does not depend on the number of workers or on how often the work was cut off. A worker holds one chunk at a time. One
// process at a time may work in a folder.
type Stage struct {
	// Name says what the stage does, with all settings that change its result. A folder is continued only under the same name.
	Name      string
	Operators []Operator
	// Drop says why the i-th selected document of a batch is left out; "" keeps it. The batch has the operators' columns. It must be
	// safe for many goroutines. nil keeps all.
	Drop func(b Batch, i int) (reason string)
	// Bare leaves the operators' columns out of the result.
	Bare    bool
	Workers int // 0: all cores
	// Progress, where not nil, is told how many documents of the input are done. One goroutine calls it.
	Progress func(done, total int)
}

// chunkReport is what is kept of a chunk beside its documents. A chunk is done when its report is there.
type chunkReport struct {
	Input     string `json:"input"` // hash of what was read
	Documents int    `json:"documents"`
	Bytes     int64  `json:"bytes"`
	Empty     int    `json:"empty,omitempty"`
	Languages shares `json:"languages,omitempty"`
	Licences  shares `json:"licences,omitempty"`
	Dropped   shares `json:"dropped,omitempty"`
}

// stageReport is the folder's stage.json.
type stageReport struct {
	Name   string `json:"name"`
	Chunks int    `json:"chunks"`
}

// Run applies the stage to the selected documents of c and opens what it made: the folder's 000000.arrow and on. The datasheet is of
// the result and says how many documents were dropped for which reason. After an error or a kill, Run with the same arguments goes on.
func (s Stage) Run(ctx context.Context, c *Corpus, dir string) (*Corpus, *Datasheet, error) {
	if err := s.enter(c, dir); err != nil {
		return nil, nil, fmt.Errorf("corpus: stage %q: %w", s.Name, err)
	}
	all := newTally()
	dropped := shares{}
	done := 0
	err := ordered.Map(ctx, cmp.Or(s.Workers, runtime.GOMAXPROCS(0)), c.numbered(), func(ctx context.Context, i int) (chunkReport, error) {
		r, err := s.chunk(ctx, c, dir, i)
		if err != nil {
			err = fmt.Errorf("chunk %d: %w", i, err)
		}
		return r, err
	}, func(r chunkReport) error {
		all.merge(&tally{Share: Share{Documents: r.Documents, Bytes: r.Bytes}, empty: r.Empty, languages: r.Languages, licences: r.Licences})
		dropped.merge(r.Dropped)
		done += r.Documents
		for _, d := range r.Dropped {
			done += d.Documents
		}
		if s.Progress != nil {
			s.Progress(done, c.n)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("corpus: stage %q: %w", s.Name, err)
	}
	out := &Corpus{schema: c.schema}
	if len(c.chunks) > 0 {
		if out, err = Open(dir); err != nil {
			return nil, nil, err
		}
	}
	sheet := all.sheet(DatasheetConfig{Name: s.Name})
	before := all.Bytes
	for _, d := range dropped {
		before += d.Bytes
	}
	sheet.Dropped = dropped.list(before)
	return out, sheet, nil
}

// enter makes the folder, or checks that it is this stage's.
func (s Stage) enter(c *Corpus, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := whole.Sweep(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, "stage.json")
	var old stageReport
	err := readJSON(path, &old)
	if errors.Is(err, fs.ErrNotExist) {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			return errors.Join(err, fmt.Errorf("%s holds files that no stage has made: choose an empty folder", dir))
		}
		return writeJSON(path, stageReport{s.Name, len(c.chunks)})
	}
	if err != nil {
		return err
	}
	if old != (stageReport{s.Name, len(c.chunks)}) {
		return fmt.Errorf("%s was made by stage %q from %d chunks, this one has %d: remove it or choose another folder", dir, old.Name, old.Chunks, len(c.chunks))
	}
	return nil
}

// chunk makes one chunk, unless it is there.
func (s Stage) chunk(ctx context.Context, c *Corpus, dir string, i int) (r chunkReport, err error) {
	b, err := c.Batch(i)
	if err != nil {
		return r, err
	}
	input := b.fingerprint()
	base := filepath.Join(dir, fmt.Sprintf("%06d", i))
	if err := readJSON(base+".json", &r); err == nil {
		if r.Input != input {
			return r, fmt.Errorf("%s was made from another corpus: remove the folder or choose another", base+".arrow")
		}
		return r, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	full, err := apply(ctx, b, s.Operators)
	if err != nil {
		return r, err
	}
	t := newTally()
	kept, dropped := s.sift(full, t)
	r = chunkReport{Input: input, Documents: t.Documents, Bytes: t.Bytes, Empty: t.empty, Languages: t.languages, Licences: t.licences, Dropped: dropped}
	out := Batch{Record: full.Record, Rows: kept}
	if s.Bare {
		out.Record = b.Record
	}
	w, err := createWith(base+".arrow", out.Record.Schema())
	if err != nil {
		return r, err
	}
	if err := w.saveBatch(out); err != nil {
		w.Abort()
		return r, err
	}
	if err := w.Close(); err != nil {
		return r, err
	}
	return r, writeJSON(base+".json", r)
}

// sift returns the rows that stay and counts both kinds.
func (s Stage) sift(b Batch, t *tally) (kept []int32, dropped shares) {
	kept, dropped = make([]int32, 0, b.Len()), shares{}
	language, licence := labelled(languageNames...), labelled(licenceNames...)
	text := b.Text()
	for i := range b.Len() {
		one := Share{Documents: 1, Bytes: int64(text.ValueLen(b.Row(i)))}
		if s.Drop != nil {
			if reason := s.Drop(b, i); reason != "" {
				dropped.add(reason, one)
				continue
			}
		}
		kept = append(kept, int32(b.Row(i)))
		t.add(one)
		if one.Bytes == 0 {
			t.empty++
		}
		t.languages.add(language(b, i), one)
		t.licences.add(licence(b, i), one)
	}
	return kept, dropped
}

// fingerprint is a hash of what tells a batch from others without reading its text: columns, selection, ids and lengths of texts.
func (b Batch) fingerprint() string {
	h := xxh3.New()
	fmt.Fprintf(h, "%v %d\n", b.Record.Schema(), b.Record.NumRows())
	h.Write(arrow.Int32Traits.CastToBytes(b.Rows))
	text := b.Text()
	ids := b.Record.Column(colID).(*array.String)
	var length [8]byte
	for i := range b.Len() {
		row := b.Row(i)
		binary.LittleEndian.PutUint32(length[:], uint32(len(ids.Value(row))))
		binary.LittleEndian.PutUint32(length[4:], uint32(text.ValueLen(row)))
		h.Write(length[:])
		h.WriteString(ids.Value(row))
	}
	return fmt.Sprintf("%x", h.Sum128().Bytes())
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := whole.Create(path)
	if err != nil {
		return err
	}
	f.Write(append(b, '\n'))
	return f.Commit()
}
