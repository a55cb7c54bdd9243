package corpus

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// What follows looks at every page before the decoders do. A decoder that meets nonsense panics, which can be recovered, or makes room for
// as many values as the nonsense says, which ends the process. So all numbers by which decoders make room are checked here.

// checkPlaces reports columns that lie outside the file.
func checkPlaces(pf *file.Reader, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	for g := range pf.NumRowGroups() {
		group := pf.MetaData().RowGroup(g)
		for i := range group.NumColumns() {
			col, err := group.ColumnChunk(i)
			if err != nil {
				return err
			}
			for _, start := range []int64{col.DataPageOffset(), col.DictionaryPageOffset()} {
				if size := col.TotalCompressedSize(); start < 0 || size < 0 || start > info.Size()-size {
					return fmt.Errorf("column %d of row group %d: %d bytes from byte %d on in a file of %d", i, g, size, start, info.Size())
				}
			}
		}
	}
	return nil
}

// checkPages reports what a decoder of a column's pages must not see.
func checkPages(pages file.PageReader, col *schema.Column) error {
	dictionary := 0 // values in it
	for n := 0; pages.Next(); n++ {
		page := pages.Page()
		var err error
		if dict, ok := page.(*file.DictionaryPage); ok {
			if dictionary = int(dict.NumValues()); dictionary > len(dict.Data()) {
				err = fmt.Errorf("a dictionary of %d values in %d bytes", dictionary, len(dict.Data()))
			}
		} else {
			err = checkValues(page, col, dictionary)
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
	}
	return pages.Err()
}

// checkValues checks the numbers in front of a page's values.
func checkValues(page file.Page, col *schema.Column, dictionary int) error {
	values, err := pageValues(page, col)
	if err != nil {
		return err
	}
	switch parquet.Encoding(page.Encoding()) {
	case parquet.Encodings.PlainDict, parquet.Encodings.RLEDict:
		return checkIndices(values, int(page.NumValues()), dictionary)
	case parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray:
		return checkDeltas(values)
	}
	return nil
}

// pageValues returns the bytes of a page behind its levels.
func pageValues(page file.Page, col *schema.Column) ([]byte, error) {
	data := page.Data()
	skip := 0
	switch p := page.(type) {
	case *file.DataPageV2:
		skip = int(p.RepetitionLevelByteLen()) + int(p.DefinitionLevelByteLen())
		if p.RepetitionLevelByteLen() < 0 || p.DefinitionLevelByteLen() < 0 {
			skip = -1
		}
	case *file.DataPageV1:
		for _, level := range []struct {
			most     int16
			encoding parquet.Encoding
		}{{col.MaxRepetitionLevel(), p.RepetitionLevelEncoding()}, {col.MaxDefinitionLevel(), p.DefinitionLevelEncoding()}} {
			switch {
			case level.most == 0:
			case level.encoding == parquet.Encodings.BitPacked:
				skip += (int(p.NumValues())*bits.Len16(uint16(level.most)) + 7) / 8
			case skip+4 > len(data):
				return nil, fmt.Errorf("levels at byte %d of %d", skip, len(data))
			default:
				skip += 4 + int(binary.LittleEndian.Uint32(data[skip:]))
			}
		}
	}
	if skip < 0 || skip > len(data) {
		return nil, fmt.Errorf("levels of %d bytes in a page of %d", skip, len(data))
	}
	return data[skip:], nil
}

// smallIndex is the width of indices for all of which there may be room.
const smallIndex = 16

// checkIndices reports an index outside the dictionary, where it can be so large that it matters. Indices are runs of one value and
// packed ones, in turns, behind the number of bits that each has.
func checkIndices(data []byte, n, dictionary int) error {
	if len(data) == 0 || data[0] <= smallIndex {
		return nil
	}
	width := int(data[0])
	if width > 32 {
		return fmt.Errorf("indices of %d bits", width)
	}
	for data = data[1:]; n > 0 && len(data) > 0; {
		head, k := binary.Uvarint(data)
		if k <= 0 {
			return nil // the decoder finds its end too
		}
		data = data[k:]
		count, size := int(head>>1), (width+7)/8
		if packed := head&1 != 0; packed {
			if count > len(data) { // every group of eight has a byte for each bit of the width
				count = len(data)
			}
			size = min(count*width, len(data))
			count = 8 * count
			for i := range min(count, n, 8*size/width) {
				if index := bitsAt(data, i*width, width); index >= uint64(dictionary) {
					return fmt.Errorf("index %d of a dictionary of %d", index, dictionary)
				}
			}
		} else if len(data) >= size {
			if index := bitsAt(data, 0, 8*size); index >= uint64(dictionary) {
				return fmt.Errorf("index %d of a dictionary of %d", index, dictionary)
			}
		}
		data, n = data[min(size, len(data)):], n-count
	}
	return nil
}

// bitsAt returns some bits of little-endian data, at most 32.
func bitsAt(data []byte, at, width int) uint64 {
	var b [8]byte
	copy(b[:], data[at/8:])
	return binary.LittleEndian.Uint64(b[:]) >> (at % 8) & (1<<width - 1)
}

// checkDeltas checks the numbers that packed differences begin with: values in a block, its parts, and values in all.
func checkDeltas(data []byte) error {
	var head [3]uint64
	rest := data
	for i := range head {
		v, k := binary.Uvarint(rest)
		if k <= 0 {
			return nil // the decoder finds its end too
		}
		head[i], rest = v, rest[k:]
	}
	if most := uint64(1<<16 + 1024*len(data)); head[0] > most || head[1] > head[0] || head[2] > most {
		return fmt.Errorf("%d differences in blocks of %d, in %d bytes", head[2], head[0], len(data))
	}
	return nil
}
