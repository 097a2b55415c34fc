package heap

import "testing"

// TestAroundOthers: of another malloc than glibc's no chunks are known.
func TestAroundOthers(t *testing.T) {
	h := &History{blocks: []*Block{{Addr: 0x1010, Size: 24, ChunkSize: 32}}}
	if list := h.Around(nil, 0x1010, 1, 2, 1); list != nil {
		t.Errorf("%+v", list)
	}
}
