// Package words writes numbers, and what they count, as sentences for people have them.
package words
