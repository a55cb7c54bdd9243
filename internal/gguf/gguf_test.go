package gguf

import (
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func sample() *Head {
	return &Head{Align: 64, Meta: map[string]any{
		"general.alignment": uint32(64), "a": uint8(200), "b": int8(-3), "c": uint16(60000), "d": int16(-300), "e": int32(-70000), "f": float32(1.5),
		"g": true, "h": "text 你", "i": uint64(1 << 60), "j": int64(-1 << 60), "k": math.Pi, "empty": []string{},
		"l": []uint8{1, 255}, "m": []int8{-1}, "n": []uint16{1}, "o": []int16{-1}, "p": []uint32{7}, "q": []int32{-7}, "r": []float32{0.5}, "s": []bool{true, false},
		"t": []string{"", "b", "cc"}, "u": []uint64{9}, "v": []int64{-9}, "w": []float64{2.5}, "x": []any{[]int32{1, 2}, []string{"y"}, []any{}},
	}, Tensors: []Tensor{{"w", []int{64, 32}, 2, 0}, {"scalar", nil, 0, 1152}}}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	b, err := Append(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	want.Data = len(b)
	if !reflect.DeepEqual(got, want) || len(b)%64 != 0 {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if meta, err := ParseMeta(b); err != nil || !reflect.DeepEqual(meta, want.Meta) {
		t.Errorf("ParseMeta: %v, %v", meta, err)
	}
	for n := range b[:len(b)-64] {
		if _, err := ParseMeta(b[:n]); n > 24 && n < 200 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("the first %d bytes: %v, want an unexpected end", n, err)
		}
		if _, err := Parse(b[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a head", n, len(b))
		}
	}
	if _, err := Append(nil, &Head{Meta: map[string]any{"bad": struct{}{}}}); err == nil || !strings.Contains(err.Error(), `"bad"`) {
		t.Errorf("a value of no type: %v", err)
	}
}

func TestBoundedAllocation(t *testing.T) {
	b, _ := Append(nil, &Head{Meta: map[string]any{"a": []uint64{1}}})
	b[24+8+1+4+4+5] = 1 // 2^40 numbers
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Parse(b)
	runtime.ReadMemStats(&after)
	if err == nil || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("2^40 numbers: %v, %d bytes allocated", err, after.TotalAlloc-before.TotalAlloc)
	}
}

func FuzzParse(f *testing.F) {
	b, err := Append(nil, sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %q", err)
			}
			return
		}
		again, err := Append(nil, h)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := Append(nil, back); err != nil || string(third) != string(again) {
			t.Fatalf("written, read and written again, the head differs (%v)", err)
		}
	})
}
