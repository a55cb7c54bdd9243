package dtype

import "testing"

// Any bytes are blocks: reading them never panics, and reading what was written from them gives numbers of the same count.
func FuzzBlocks(f *testing.F) {
	f.Add(byte(Q4_K), make([]byte, 144))
	f.Add(byte(NF4), []byte("\x00\x00\xc0\x7f0123456789abcdef0123456789abcdef"))
	f.Add(byte(AWQ4), []byte("\xff\x7b\xff\xff"))
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		dt := Type(kind)
		if dt == None || dt >= numTypes {
			return
		}
		n := len(data) / dt.BlockBytes() * dt.Block()
		x := make([]float32, n)
		Dequantize(x, dt, data)
		back := make([]byte, dt.Bytes(n))
		Quantize(back, dt, x)
		if dt == NF4 {
			q, err := Compress(back)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.Blocks(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := (DoubleQuant{Codes: data}).Blocks(); err == nil && len(data) > 0 {
			t.Fatal("codes without scales were accepted")
		}
		if dt == AWQ4 && n > 0 {
			a, err := AWQFromRows(data, 8, n/8)
			if err == nil {
				if _, err := a.Rows(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
