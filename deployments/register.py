"""Make the block `ImgurCredentials` known to Prefect: `python -m deployments.register`."""

from tasks.credentials import ImgurCredentials

if __name__ == "__main__":
    ImgurCredentials.register_type_and_schema()
    print("Registered: create a block of type Imgur Credentials in the UI, under Blocks.")
