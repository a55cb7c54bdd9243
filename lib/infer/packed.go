package infer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Weights are packed into the kernels' layout once a file: the packed matrices of a model, in the order in which model.New asks for them, are kept in a file of the user's cache directory that is
// named after the content of the weights (checkpoint.Model.Hash: XXH3 of 128 bits of every tensor, on all cores) and the layout. The engine is ready before it is written; a second start maps it. Which content a path has is remembered under its size and time, so that a start does not read the weights
// to find their packed form.
//
//	file    magic, number of records, records of (type, k, n, offset, length), then the bytes of each at multiples of 4096

const (
	packedMagic = "quire packed 1\n\x00"
	packedAlign = 4096
	packedLeast = 64 << 20 // smaller models are packed in less time than it takes to look for them
	packedMost  = 64 << 30 // bytes kept; what was not used for longest goes first
)

// packedRecord is one matrix of a packed file.
type packedRecord struct {
	DType          uint32
	K, N           uint32
	Offset, Length uint64
}

// packer takes packed matrices from a file while there are any.
type packer struct {
	keep    tensor.Repacker
	file    *tensor.Mapping
	records []packedRecord
	failed  bool // something had to be packed
}

// next returns the next matrix of the file if it fits.
func (p *packer) next(dt dtype.Type, k, n int) tensor.Packed {
	if len(p.records) > 0 && !p.failed {
		r := p.records[0]
		if dtype.Type(r.DType) == dt && int(r.K) == k && int(r.N) == n {
			if w, err := p.keep.Restore(dt, k, n, p.file.Bytes()[r.Offset:r.Offset+r.Length]); err == nil {
				p.records = p.records[1:]
				return w
			}
		}
	}
	p.failed = true
	return nil
}

// packModel makes the model of a file, from its packed form if there is one. dir is where packed files lie.
func packModel(b tensor.Backend, file *checkpoint.Model, path, dir string) (*model.Model, *keeper, error) {
	keep, ok := b.(tensor.Repacker)
	k := &keeper{written: make(chan struct{})}
	if !ok || dir == "" || file.Weights.Bytes() < packedLeast {
		close(k.written)
		m, err := model.New(b, file.Config, file.Weights)
		return m, k, err
	}
	p := &packer{keep: keep}
	k.packer = p
	known := filepath.Join(dir, identity(path)+".known")
	name := func(hash string) string { return filepath.Join(dir, hash+"-"+keep.Layout()+".packed") }
	if hash, err := os.ReadFile(known); err == nil {
		p.open(name(string(hash)))
	}
	m, err := model.Restore(b, file.Config, file.Weights, p.next)
	if err != nil {
		return nil, nil, errors.Join(err, p.close())
	}
	if !p.failed {
		close(k.written)
		return m, k, nil
	}
	go func() {
		k.err = writePacked(dir, known, name, file, keep, m.Packed())
		close(k.written)
	}()
	return m, k, nil
}

// keeper is what stays open for a model whose weights are packed.
type keeper struct {
	written chan struct{} // closed when there is nothing to write any more
	err     error
	packer  *packer
}

// wait waits until the packed form is on disk.
func (k *keeper) wait() error {
	<-k.written
	return k.err
}

// close unmaps it. A form that is being written is written first: the next start will want it.
func (k *keeper) close() error {
	<-k.written
	if k.packer == nil {
		return nil
	}
	return k.packer.close()
}

func (p *packer) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// open maps a packed file; one that does not make sense is as good as none.
func (p *packer) open(path string) {
	file, err := tensor.Map(path)
	if err != nil {
		return
	}
	records, err := parsePacked(file.Bytes())
	if err != nil {
		file.Close()
		os.Remove(path)
		return
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now)
	p.file, p.records = file, records
}

// parsePacked reads the table of a packed file and checks it against the file's size.
func parsePacked(data []byte) ([]packedRecord, error) {
	rest, ok := strings.CutPrefix(string(data[:min(len(data), len(packedMagic)+8)]), packedMagic)
	if !ok || len(rest) < 8 {
		return nil, errors.New("infer: not a packed model")
	}
	n := binary.LittleEndian.Uint64([]byte(rest))
	const size = 28
	body := data[len(packedMagic)+8:]
	if n > uint64(len(body)/size) {
		return nil, fmt.Errorf("infer: packed model of %d matrices in %d bytes", n, len(data))
	}
	records := make([]packedRecord, n)
	for i := range records {
		r := body[i*size:]
		records[i] = packedRecord{binary.LittleEndian.Uint32(r), binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint32(r[8:]), binary.LittleEndian.Uint64(r[12:]), binary.LittleEndian.Uint64(r[20:])}
		if o, l := records[i].Offset, records[i].Length; o%packedAlign != 0 || o > uint64(len(data)) || l > uint64(len(data))-o {
			return nil, fmt.Errorf("infer: packed model: matrix %d lies at %d+%d of %d bytes", i, o, l, len(data))
		}
	}
	return records, nil
}

// writePacked keeps packed matrices and remembers what path they are of.
func writePacked(dir, known string, name func(hash string) string, file *checkpoint.Model, keep tensor.Repacker, made []tensor.Packed) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	records := make([]packedRecord, len(made))
	offset := uint64(len(packedMagic) + 8 + 28*len(made))
	for i, w := range made {
		data := keep.PackedBytes(w)
		if data == nil {
			return nil // a type that cannot be restored
		}
		offset = (offset + packedAlign - 1) / packedAlign * packedAlign
		records[i] = packedRecord{uint32(w.DType()), uint32(w.K()), uint32(w.N()), offset, uint64(len(data))}
		offset += uint64(len(data))
	}
	makeRoom(dir, int64(offset))
	hash := file.Hash()
	err := writeWhole(name(hash), func(f *os.File) error {
		out := pieceWriter{w: f, piece: make([]byte, 0, packedPiece)}
		head := binary.LittleEndian.AppendUint64([]byte(packedMagic), uint64(len(records)))
		for _, r := range records {
			head, _ = binary.Append(head, binary.LittleEndian, r)
		}
		if err := out.write(head); err != nil {
			return err
		}
		for i, w := range made {
			if err := out.write(make([]byte, records[i].Offset-out.done)); err != nil {
				return err
			}
			if err := out.write(keep.PackedBytes(w)); err != nil {
				return err
			}
		}
		return out.flush()
	})
	if err != nil {
		return err
	}
	return writeWhole(known, func(f *os.File) error { _, err := f.WriteString(hash); return err })
}

// packedPiece is what a packed file is written in. Linux keeps a piece that is written at once as one huge page of the page cache, if the file system can, and maps it as one; over pages of 4 KB a
// token of Q4_0 takes 1.25 times as long.
const packedPiece = 2 << 20

// pieceWriter writes whole pieces.
type pieceWriter struct {
	w     io.Writer
	piece []byte
	done  uint64 // bytes taken
}

func (p *pieceWriter) write(data []byte) error {
	for p.done += uint64(len(data)); len(data) > 0; {
		n := min(len(data), cap(p.piece)-len(p.piece))
		p.piece, data = append(p.piece, data[:n]...), data[n:]
		if len(p.piece) == cap(p.piece) {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pieceWriter) flush() error {
	_, err := p.w.Write(p.piece)
	p.piece = p.piece[:0]
	return err
}

// unfinished is what the files that are being written are called.
const unfinished = ".writing-"

// writeWhole writes a file that appears under its name when all of it is on disk: a process that is killed, or a machine that stops, leaves a file that no start looks at.
func writeWhole(path string, write func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// makeRoom removes what processes that were killed have left, and the packed files that were not used for longest until n more bytes fit.
func makeRoom(dir string, n int64) {
	left, _ := filepath.Glob(filepath.Join(dir, unfinished+"*"))
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			os.Remove(path)
		}
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*.packed"))
	type entry struct {
		path string
		info os.FileInfo
	}
	var all []entry
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			all = append(all, entry{path, info})
			n += info.Size()
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, e := range all {
		if n <= packedMost {
			return
		}
		if os.Remove(e.path) == nil {
			n -= e.info.Size()
		}
	}
}

// identity names a model's files by path, size and time.
func identity(path string) string {
	h := sha256.New()
	abs, _ := filepath.Abs(path)
	fmt.Fprintln(h, abs)
	entries, err := os.ReadDir(path)
	if err != nil {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(h, info.Size(), info.ModTime().UnixNano())
		}
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			fmt.Fprintln(h, e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
