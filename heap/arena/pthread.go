package arena

import "emurace/loader"

// findPointers finds the thread pointers that were not given.
func (m *Malloc) findPointers() {
}

var _ = loader.ARM64
