package corpus

import (
	"fmt"
	"os"

	"github.com/apache/arrow/go/v17/parquet/file"
)

// checkParquet reports columns that lie outside the file, as damaged ones do: pqarrow panics on them in goroutines of its own, where
// nobody can recover.
func checkParquet(pf *file.Reader, name string) error {
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
