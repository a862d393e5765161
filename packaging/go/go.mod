module github.com/dapi-mock/dapi-mock/packaging/go

go 1.21
