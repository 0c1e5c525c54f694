"""A bucket as its server has it, seen by another client than ours."""

import secrets
from hashlib import md5

import boto3


class Bucket:
    def __init__(self, endpoint):
        self.name = f"b{secrets.token_hex(6)}"
        self.address = f"s3://{self.name}/mirror"
        self._client = boto3.client("s3", endpoint_url=endpoint)
        self._client.create_bucket(Bucket=self.name)

    def all(self, prefix=""):
        """The keys below a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=f"mirror/{prefix}"
        )
        rows = [row for page in pages for row in page.get("Contents", [])]
        return [row["Key"].removeprefix("mirror/") for row in rows]

    def read(self, key):
        return self._client.get_object(Bucket=self.name, Key=f"mirror/{key}")["Body"].read()

    def about(self, key):
        return self._client.head_object(Bucket=self.name, Key=f"mirror/{key}")

    def write(self, key, body):
        self._client.put_object(Bucket=self.name, Key=f"mirror/{key}", Body=body)

    def remove(self, key):
        self._client.delete_object(Bucket=self.name, Key=f"mirror/{key}")

    def images(self, folder):
        """MD5 by file name of what lies in an album's folder, but for the manifest."""
        names = [key.removeprefix(f"{folder}/") for key in self.all(f"{folder}/")]
        return {
            name: md5(self.read(f"{folder}/{name}")).hexdigest()
            for name in names
            if name != "album.json"
        }
