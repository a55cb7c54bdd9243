package checkpoint

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/simd/dtype"
)

// WriteSafetensors writes a file, whole or not at all. Block formats have no name in safetensors: they are an error.
func WriteSafetensors(path string, meta map[string]string, tensors []Named) error {
	return writeSafetensors(path, "", meta, payloads(tensors))
}

// dataAlign is where the data of a written file begin, so that mapped rows are aligned for vector loads.
const dataAlign = 64

func writeSafetensors(path, spare string, meta map[string]string, list []payload) error {
	head, data, size, err := safetensorsHead(meta, list)
	if err != nil {
		return fmt.Errorf("checkpoint: write %s: %w", path, err)
	}
	return writeFile(path, spare, head, data, size)
}

// safetensorsHead lays a file out.
func safetensorsHead(meta map[string]string, list []payload) (head []byte, data []placed, size int64, err error) {
	var text strings.Builder
	enc := jsontext.NewEncoder(&text)
	put := func(tok jsontext.Token) {
		if err == nil {
			err = enc.WriteToken(tok)
		}
	}
	put(jsontext.BeginObject)
	if len(meta) > 0 {
		put(jsontext.String("__metadata__"))
		if err == nil {
			err = json.MarshalEncode(enc, meta, json.Deterministic(true))
		}
	}
	offset := 0
	for _, p := range list {
		name, ok := safetensorName(p.dt)
		if !ok {
			return nil, nil, 0, fmt.Errorf("tensor %q: safetensors has no type %v: want F32, F16, BF16, I8, I32 or U8", p.name, p.dt)
		}
		end := offset + p.bytes()
		put(jsontext.String(p.name))
		if err == nil {
			err = json.MarshalEncode(enc, entry{DType: name, Shape: append([]int{}, p.shape...), Offsets: [2]int{offset, end}})
		}
		data = append(data, placed{p, int64(offset)})
		offset = end
	}
	put(jsontext.EndObject)
	if err != nil {
		return nil, nil, 0, err
	}
	header := strings.TrimRight(text.String(), "\n")
	header += strings.Repeat(" ", (dataAlign-(8+len(header))%dataAlign)%dataAlign)
	head = append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	for i := range data {
		data[i].offset += int64(len(head))
	}
	return head, data, int64(len(head) + offset), nil
}

func safetensorName(dt dtype.Type) (string, bool) {
	_, ok := safetensorTypes[dt.String()]
	return dt.String(), ok
}
