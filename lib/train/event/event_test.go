package event

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// field is one field of a protocol buffer.
type field struct {
	number int
	n      uint64
	bytes  []byte
}

// fields parses a message, failing the test where it is none.
func fields(t *testing.T, b []byte) []field {
	t.Helper()
	var all []field
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatal("bad key")
		}
		b = b[n:]
		f := field{number: int(key >> 3)}
		switch key & 7 {
		case varint:
			f.n, n = binary.Uvarint(b)
			if n <= 0 {
				t.Fatal("bad varint")
			}
		case fixed64:
			f.n, n = binary.LittleEndian.Uint64(b), 8
		case fixed32:
			f.n, n = uint64(binary.LittleEndian.Uint32(b)), 4
		case bytes:
			size, m := binary.Uvarint(b)
			if m <= 0 || uint64(len(b)-m) < size {
				t.Fatal("bad length")
			}
			f.bytes, n = b[m:m+int(size)], m+int(size)
		default:
			t.Fatalf("wire type %d", key&7)
		}
		b = b[n:]
		all = append(all, f)
	}
	return all
}

// records splits a file and checks both sums of each record, with the CRC computed bit by bit.
func records(t *testing.T, file []byte) (all [][]byte) {
	t.Helper()
	sum := func(b []byte) uint32 {
		c := ^uint32(0)
		for _, x := range b {
			c ^= uint32(x)
			for range 8 {
				c = c>>1 ^ 0x82f63b78*(c&1)
			}
		}
		c = ^c
		return (c>>15 | c<<17) + 0xa282ead8
	}
	for len(file) > 0 {
		n := binary.LittleEndian.Uint64(file)
		if got := binary.LittleEndian.Uint32(file[8:]); got != sum(file[:8]) {
			t.Fatalf("record %d: sum of the length is %#x", len(all), got)
		}
		data := file[12 : 12+n]
		if got := binary.LittleEndian.Uint32(file[12+n:]); got != sum(data) {
			t.Fatalf("record %d: sum of the data is %#x", len(all), got)
		}
		all, file = append(all, data), file[16+n:]
	}
	return all
}

func written(t *testing.T) string {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for step := range 300 {
		if err := w.Scalars(step, map[string]float64{"train/loss": 10 / float64(step+1), "train/lr": 1e-3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Text(7, "samples", "func main() {}\n"+strings.Repeat("é", 100)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhatIsReadBack(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(written(t), "events.out.tfevents.*"))
	if len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	all := records(t, data)
	if len(all) != 302 {
		t.Fatalf("%d records, want 302", len(all))
	}
	if f := fields(t, all[0]); string(f[1].bytes) != "brain.Event:2" || f[1].number != 3 {
		t.Errorf("first record: %v", f)
	}
	e := fields(t, all[201])
	if e[1].n != 200 || e[2].number != 5 {
		t.Fatalf("step %d, field %d", e[1].n, e[2].number)
	}
	loss := fields(t, fields(t, e[2].bytes)[0].bytes)
	if string(loss[0].bytes) != "train/loss" || math.Float32frombits(uint32(loss[1].n)) != float32(10.0/201) {
		t.Errorf("scalar: %q %v", loss[0].bytes, loss[1].n)
	}
	text := fields(t, fields(t, fields(t, all[301])[2].bytes)[0].bytes)
	if s := fields(t, text[1].bytes); text[1].number != 8 || !strings.HasPrefix(string(s[2].bytes), "func main") || s[0].n != 7 {
		t.Errorf("text: %v", s)
	}
}

// TensorBoard itself reads the file.
func TestTensorBoardReads(t *testing.T) {
	if err := exec.Command("python3", "-c", "import tensorboard").Run(); err != nil {
		t.Skip("python3 has no module tensorboard")
	}
	const script = `
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'tensors': 0}); a.Reload()
s = a.Scalars('train/loss')
print(len(s), s[200].step, '%.6f' % s[200].value, a.Tensors('samples')[0].tensor_proto.string_val[0].decode()[:9])`
	out, err := exec.Command("python3", "-c", script, written(t)).CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "300 200 0.049751 func main") {
		t.Errorf("tensorboard: %v\n%s", err, out)
	}
}
