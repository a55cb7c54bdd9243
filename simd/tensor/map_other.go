//go:build !unix

package tensor

import (
	"errors"
	"os"
)

// mapFile is for Unix.
func mapFile(*os.File, int) (data []byte, unmap func() error, err error) {
	return nil, nil, errors.ErrUnsupported
}
